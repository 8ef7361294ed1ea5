"""Webhooks as pages. What belongs here: what was told to the product and how it fared; sending is `delivery.py`'s."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from provider_sandbox.delivery import QUEUE
from provider_sandbox.faults.mishaps import event_of
from provider_sandbox.faults.plan import WEBHOOK_SENDERS
from provider_sandbox.state import State
from provider_sandbox.web.frame import page

NEWEST = 100
"""So many are listed."""
STATES = ("pending", "done", "dropped")


def deliveries_pages(state: State) -> APIRouter:
    """`/deliveries`, and each of them."""
    router = APIRouter()

    @router.get("/deliveries")
    async def listed(request: Request, provider: str = "", fared: str = "") -> Response:
        """The newest webhooks."""
        with state.transaction() as tx:
            rows = tx.run(
                "select * from task where queue = ? and (? = '' or topic = ?) and (? = '' or state = ?)"
                " order by id desc limit ?",
                *(QUEUE, provider, provider, fared, fared, NEWEST),
            )
            counts = tx.run("select state, count(*) as count from task where queue = ? group by state", QUEUE)
        found = [_shown(row) for row in rows]
        values: dict[str, Any] = {"provider": provider, "fared": fared, "senders": WEBHOOK_SENDERS, "states": STATES}
        totals = {row["state"]: row["count"] for row in counts}
        return page(request, "deliveries", found=found, newest=NEWEST, totals=totals, **values)

    @router.get("/deliveries/{number}")
    async def one(request: Request, number: int) -> Response:
        """A webhook with its body."""
        with state.transaction() as tx:
            rows = tx.run("select * from task where queue = ? and id = ?", QUEUE, number)
        if not rows:
            raise HTTPException(404, "There is no such webhook.")
        return page(request, "delivery", one=_shown(rows[0]), body=json.loads(rows[0]["body"]))

    return router


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {**dict(row), "event": event_of(row["topic"], row["body"])}
