"""The sandbox's memory: one SQLite file. What belongs here: tables, transactions, objects, settings and effects.

What an object means is its provider's; durable work (webhooks, the owner's walks) is `tasks.py`.
Everything is committed before it is answered, in WAL mode: `synchronous=NORMAL` may lose the last commits to a power
cut, never to a killed process. Transactions hold no `await`, so that each is atomic on the one event loop.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pilar.clocks import Clock
from provider_sandbox import clock as business_clock

Body = dict[str, Any]

FILE_NAME = "sandbox.sqlite3"

TABLES = """
create table if not exists object (
    seq integer primary key autoincrement, kind text not null, id text not null, owner text not null,
    key text not null, body text not null, unique (kind, id));
create index if not exists object_by_owner on object (kind, owner, key);
create index if not exists object_by_key on object (kind, key);
create table if not exists effect (
    id integer primary key autoincrement, provider text not null, kind text not null, key text not null,
    at text not null);
create index if not exists effect_by_kind on effect (kind, key);
create table if not exists setting (name text primary key, value text not null) without rowid;
create table if not exists replay (
    key text primary key, fingerprint text not null, request_id text not null, status integer not null,
    body text not null, at real not null) without rowid;
create table if not exists task (
    id integer primary key autoincrement, queue text not null, topic text not null, name text not null,
    lane text not null, address text not null, body text not null, state text not null default 'pending',
    attempts integer not null default 0, next_at real not null, last_status integer, last_error text,
    created_at text not null, ended_at text);
create index if not exists task_by_name on task (queue, name);
create index if not exists task_due on task (queue, next_at, id) where state = 'pending';
create table if not exists appointment (
    seq integer primary key autoincrement, kind text not null, id text not null, at integer not null,
    unique (kind, id));
create index if not exists appointment_due on appointment (at, seq);
create table if not exists balance (
    account text not null, currency text not null, status text not null, net integer not null,
    primary key (account, currency, status)) without rowid;
create table if not exists mail (
    id integer primary key autoincrement, sender text not null, recipients text not null, subject text not null,
    text text not null, html text not null, raw blob not null, at text not null);
"""


class Transaction:
    """One open transaction: the only way to read or write."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def now(self) -> datetime:
        """The present moment in real time, in UTC."""
        return self._clock.now()

    def business_now(self) -> datetime:
        """The present moment in business time, in UTC: what windows and the objects' own dates go by."""
        kept = self.setting(business_clock.SETTING)
        return business_clock.from_text(kept).at(self.now()) if kept else self.now()

    def run(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Execute one statement and return its rows."""
        return self._connection.execute(sql, values).fetchall()

    def put(self, kind: str, identity: str, body: Body, *, owner: str = "", key: str = "") -> Body:
        """Create or replace an object; `owner` and `key` are what it can be found by."""
        self.run(
            "insert into object (kind, id, owner, key, body) values (?, ?, ?, ?, ?)"
            " on conflict (kind, id) do update set owner = excluded.owner, key = excluded.key, body = excluded.body",
            *(kind, identity, owner, key, json.dumps(body)),
        )
        return body

    def change(self, kind: str, identity: str, body: Body) -> Body:
        """Replace the body of an existing object, which keeps its owner and key."""
        self.run("update object set body = ? where kind = ? and id = ?", json.dumps(body), kind, identity)
        return body

    def get(self, kind: str, identity: str) -> Body | None:
        """An object by its id, or None."""
        rows = self.run("select body from object where kind = ? and id = ?", kind, identity)
        return json.loads(rows[0]["body"]) if rows else None

    def find(self, kind: str, *, owner: str | None = None, key: str | None = None) -> list[Body]:
        """Objects of a kind, oldest first, narrowed by owner and key where given."""
        sql, values = "select body from object where kind = ?", [kind]
        for column, value in (("owner", owner), ("key", key)):
            if value is not None:
                sql += f" and {column} = ?"
                values.append(value)
        return [json.loads(row["body"]) for row in self.run(f"{sql} order by seq", *values)]

    def owner_of(self, kind: str, identity: str) -> str:
        """The owner of an object that is there."""
        return str(self.run("select owner from object where kind = ? and id = ?", kind, identity)[0]["owner"])

    def remove(self, kind: str, identity: str) -> None:
        """Forget an object."""
        self.run("delete from object where kind = ? and id = ?", kind, identity)

    def count(self, kind: str, *, owner: str) -> int:
        """How many objects of a kind belong to an owner."""
        return int(self.run("select count(*) from object where kind = ? and owner = ?", kind, owner)[0][0])

    def setting(self, name: str) -> str | None:
        """A remembered value, or None."""
        rows = self.run("select value from setting where name = ?", name)
        return str(rows[0]["value"]) if rows else None

    def remember(self, name: str, value: str) -> None:
        """Keep a value across restarts."""
        self.run("insert or replace into setting (name, value) values (?, ?)", name, value)

    def forget(self, name: str) -> None:
        """Remember a value no longer."""
        self.run("delete from setting where name = ?", name)

    def effect(self, kind: str, key: str) -> None:
        """Count something that changed in the outside world: `provider.what_happened`, and whom it happened to."""
        provider = kind.partition(".")[0]
        moment = self.now().isoformat()
        self.run("insert into effect (provider, kind, key, at) values (?, ?, ?, ?)", provider, kind, key, moment)


class State:
    """The file and its one connection, guarded by a lock."""

    def __init__(self, directory: Path, clock: Clock, changed: Callable[[], None]) -> None:
        """Open or create the file; `changed` is called after each commit that wrote something."""
        directory.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._changed = changed
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(directory / FILE_NAME, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.executescript(TABLES)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit what the block did, or nothing of it where it raises."""
        with self._lock:
            before = self._connection.total_changes
            self._connection.execute("begin immediate")
            try:
                yield Transaction(self._connection, self._clock)
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")
            wrote = self._connection.total_changes > before
        if wrote:
            self._changed()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
