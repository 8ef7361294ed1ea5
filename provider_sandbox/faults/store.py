"""The fault plan in the sandbox's state. What belongs here: its SQL: the plan, the counts, and what befell a webhook.

All of it survives a restart. What strikes is committed before it is carried out, so a fault that killed the sandbox
has been counted.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Any

from provider_sandbox.faults.plan import REQUEST, WEBHOOK, Plan, Rule, Strike, decide, shape_of
from provider_sandbox.state import State, Transaction

TABLES = """
create table if not exists fault_plan (
    id integer primary key check (id = 1), seed integer not null, set_at real not null);
create table if not exists fault_rule (
    position integer primary key, body text not null, seen integer not null default 0,
    struck integer not null default 0);
create table if not exists fault_count (what text primary key, count integer not null) without rowid;
create table if not exists fault_task (
    task integer primary key, kind text not null, until real);
"""

_Kept = tuple[Plan, float]
"""A plan and when it was set, in Unix seconds."""

NOTHING = "nothing"
"""What befell a webhook that no rule struck, so that it is judged once and not at each attempt."""


class Faults:
    """The plan in force, if any."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._over = asyncio.Event()
        with state.transaction() as tx:
            for statement in TABLES.split(";"):
                tx.run(statement)
            self._plan = _kept_plan(tx)

    @property
    def is_on(self) -> bool:
        """Whether there is a plan."""
        return self._plan is not None

    @property
    def over(self) -> asyncio.Event:
        """Set when the plan in force ends: what it makes wait then goes on."""
        return self._over

    def begin(self, plan: Plan) -> dict[str, Any]:
        """Put a plan in force in place of the former one; counting starts anew. Returns it as `told` does."""
        with self._state.transaction() as tx:
            _forget(tx)
            tx.run("insert into fault_plan (id, seed, set_at) values (1, ?, ?)", plan.seed, tx.now().timestamp())
            for position, rule in enumerate(plan.rules):
                tx.run("insert into fault_rule (position, body) values (?, ?)", position, json.dumps(asdict(rule)))
            kept, told = _kept_plan(tx), _told(tx)
        self._replace(kept)
        return told

    def end(self) -> dict[str, Any]:
        """End the plan; what it makes wait goes on at once. Returns what it had done."""
        with self._state.transaction() as tx:
            told = _told(tx)
            _forget(tx)
        self._replace(None)
        return told

    def told(self) -> dict[str, Any]:
        """The plan with how often each rule fitted (`seen`) and struck; without one, no rules and seed None."""
        with self._state.transaction() as tx:
            return _told(tx)

    def strike_request(self, provider: str, method: str, path: str) -> Strike | None:
        """Count a request, and tell what befalls it."""
        # Most of the time there is no plan, and then a request costs no transaction.
        if not self._plan:
            return None
        with self._state.transaction() as tx:
            return _strike(tx, *self._plan, REQUEST, provider, path, f"{method} {shape_of(path)}")

    def strike_webhook(self, tx: Transaction, task: int, provider: str, event: str) -> Strike | None:
        """Judge a webhook, once: None for one that no rule strikes, and for one that has been judged before."""
        if not self._plan or tx.run("select 1 from fault_task where task = ?", task):
            return None
        strike = _strike(tx, *self._plan, WEBHOOK, provider, event, event)
        judged(tx, task, strike.rule.kind if strike else NOTHING)
        return strike

    def _replace(self, kept: _Kept | None) -> None:
        self._plan = kept
        self._over.set()
        self._over = asyncio.Event()


def judged(tx: Transaction, task: int, kind: str) -> None:
    """Note what befalls a webhook: nothing more does."""
    tx.run("insert or replace into fault_task (task, kind) values (?, ?)", task, kind)


def hold_back(tx: Transaction, task: int, until: float) -> None:
    """Let a webhook go at a moment (Unix seconds) and not before."""
    tx.run("update fault_task set until = ? where task = ?", until, task)
    tx.run("update task set next_at = ? where id = ?", until, task)


def let_go(tx: Transaction, *, provider: str, before: int) -> None:
    """Send what was held back until a later one arrived: all of the provider that is older than task `before`."""
    # Due since ever: whatever else waits in its lane comes after it.
    tx.run(
        "update task set next_at = 0 where topic = ? and id < ? and state = 'pending' and next_at > ?"
        " and id in (select task from fault_task where kind = 'reorder' and until is not null)",
        *(provider, before, tx.now().timestamp()),
    )


def _strike(
    tx: Transaction, plan: Plan, set_at: float, direction: str, provider: str, path: str, what: str
) -> Strike | None:
    # Counted whatever the plan's hour: what strikes later must not hang on how quick this machine is.
    if not any((rule.provider, rule.direction) == (provider, direction) for rule in plan.rules):
        return None
    age = tx.now().timestamp() - set_at
    struck = [row["struck"] for row in tx.run("select struck from fault_rule order by position")]
    count = tx.run(
        "insert into fault_count (what, count) values (?, 1)"
        " on conflict (what) do update set count = count + 1 returning count",
        f"{direction} {provider} {what}",
    )[0]["count"]
    strike = decide(
        *(plan, struck),
        provider=provider,
        direction=direction,
        path=path,
        what=what,
        count=count - 1,
        age=age,
    )
    for position, rule in enumerate(plan.rules):
        if rule.fits(provider, direction, path, age):
            hit = int(strike is not None and strike.index == position)
            tx.run("update fault_rule set seen = seen + 1, struck = struck + ? where position = ?", hit, position)
    return strike


def _kept_plan(tx: Transaction) -> _Kept | None:
    plans = tx.run("select seed, set_at from fault_plan")
    if not plans:
        return None
    rows = tx.run("select body from fault_rule order by position")
    return Plan(plans[0]["seed"], tuple(Rule(**json.loads(row["body"])) for row in rows)), plans[0]["set_at"]


def _told(tx: Transaction) -> dict[str, Any]:
    plans = tx.run("select seed, set_at from fault_plan")
    rows = tx.run("select body, seen, struck from fault_rule order by position")
    return {
        "seed": plans[0]["seed"] if plans else None,
        "age": round(tx.now().timestamp() - plans[0]["set_at"], 3) if plans else None,
        "struck": sum(row["struck"] for row in rows),
        "rules": [json.loads(row["body"]) | {"seen": row["seen"], "struck": row["struck"]} for row in rows],
    }


def _forget(tx: Transaction) -> None:
    tx.run(
        "update task set next_at = ? where state = 'pending' and next_at > ?"
        " and id in (select task from fault_task where until is not null)",
        *(tx.now().timestamp(), tx.now().timestamp()),
    )
    for table in ("fault_plan", "fault_rule", "fault_count"):
        tx.run(f"delete from {table}")
    # Who was struck under the former plan is not struck again under the next one, while it is on its way.
    tx.run("delete from fault_task where task not in (select id from task where state = 'pending')")
