"""What the product made of a simulated fleet. What belongs here: queries over several rooms; nothing is written.

They are here because no room may look into so many others.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import text

from pilar.database.engine import Database, Scope

EARNS = "earns"


def due_work(database: Database) -> int:
    """How much work is due and not done."""
    return _number(database, "select count(*) from queue")


def dead_letters(database: Database) -> int:
    """How much work was given up."""
    return _number(database, "select count(*) from dead_letter")


def conversions(database: Database, subscriptions: Collection[str]) -> dict[str, int]:
    """How many of these signups came by a link: by why they earn nothing, or `EARNS`."""
    query = """
    select coalesce(refused_reason, :earns) as told, count(*) as many from conversion
    where stripe_subscription_id = any(:subscriptions) group by 1 order by 1
    """
    with database.transaction(Scope.fleet()) as connection:
        rows = connection.execute(text(query), {"earns": EARNS, "subscriptions": list(subscriptions)}).all()
    return {row.told: row.many for row in rows}


def _number(database: Database, query: str) -> int:
    with database.transaction(Scope.fleet()) as connection:
        return int(connection.execute(text(query)).scalar_one())
