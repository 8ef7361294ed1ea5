"""Changing the key that credentials are encrypted with.

What belongs here: which keys are in use, and encrypting everything anew with the newest. What does not: the box itself
(`crypto.py`) and the SQL (`rotation_store.py`).

Whether a value is under the newest key is seen by opening it, so nothing has to be remembered: whoever is killed begins
again, and what is done already is only looked at. Each batch holds its rows, so that a credential that is written at
the same moment is not overwritten. Neither a key nor what it opens is told or logged; a key goes by a name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.security import rotation_store as store
from pilar.security.rotation_store import SealedColumn

BATCH = 200


@dataclass
class KeysInUse:
    """How many values each key opens, by key and by where they are; the newest key first.

    Attributes:
        by_key: values by the key's name; a key that opens none is there with 0.
        unopened: values that no key opens, by where they are.
    """

    by_key: dict[str, Counter[str]]
    unopened: Counter[str] = field(default_factory=Counter)


@dataclass
class Rotated:
    """What came of a rotation.

    Attributes:
        key: name of the newest key.
        looked_at: values.
        resealed: values that are under the newest key since now.
        unopened: values that no key opens, by where they are: they stay as they are.
    """

    key: str
    looked_at: int = 0
    resealed: int = 0
    unopened: Counter[str] = field(default_factory=Counter)


def keys_in_use(database: Database, box: SecretBox) -> KeysInUse:
    """Which keys open what there is."""
    found = KeysInUse({name: Counter() for name in box.key_names})
    with database.transaction(Scope.fleet()) as connection:
        columns = store.sealed_columns(connection)
    for column in columns:
        after = None
        while True:
            with database.transaction(Scope.fleet()) as connection:
                rows = store.batch(connection, column, after, BATCH, lock=False)
            if not rows:
                break
            for row in rows:
                name = box.key_of(row.sealed)
                counts = found.unopened if name is None else found.by_key[name]
                counts[column.name] += 1
            after = rows[-1].key
    return found


def rotate(
    database: Database, clocks: Clocks, box: SecretBox, *, actor: str, told: Callable[[SealedColumn, int], None]
) -> Rotated:
    """Encrypt everything with the newest key that is under an older one.

    Args:
        database: where; a transaction per batch.
        clocks: both clocks.
        box: all keys, the newest first.
        actor: who asks, as in the audit log.
        told: is called after each batch with where it was and how many values were looked at there.
    """
    done = Rotated(box.key_names[0])
    with database.transaction(Scope.fleet()) as connection:
        columns = store.sealed_columns(connection)
    for column in columns:
        after, looked_at = None, 0
        while True:
            with database.transaction(Scope.fleet()) as connection:
                rows = store.batch(connection, column, after, BATCH, lock=True)
                for row in rows:
                    name = box.key_of(row.sealed)
                    if name is None:
                        done.unopened[column.name] += 1
                    elif name != done.key:
                        store.write(connection, column, row.key, box.reseal(row.sealed))
                        done.resealed += 1
            if not rows:
                break
            after, looked_at = rows[-1].key, looked_at + len(rows)
            done.looked_at += len(rows)
            told(column, looked_at)
    with database.transaction(Scope.fleet()) as connection:
        audit.record(
            connection,
            actor=actor,
            action="security.keys_rotated",
            subject=f"key:{done.key}",
            now=clocks.real.now(),
            details={
                "looked_at": done.looked_at,
                "resealed": done.resealed,
                "unopened": sum(done.unopened.values()),
            },
        )
    return done
