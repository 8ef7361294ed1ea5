"""The newest of a kind. What belongs here: reading as many objects as a page shows, however many there are."""

from __future__ import annotations

import json

from provider_sandbox.state import Body, Transaction


def newest(tx: Transaction, kind: str, most: int) -> tuple[list[Body], int]:
    """At most so many objects of a kind, the newest first, and how many there are in all."""
    rows = tx.run("select body from object where kind = ? order by seq desc limit ?", kind, most)
    total = tx.run("select count(*) from object where kind = ?", kind)[0][0]
    return [json.loads(row["body"]) for row in rows], total
