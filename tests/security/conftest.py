"""A person in a studio, and a transaction to act in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import Connection

from pilar.database.engine import Database, Scope
from pilar.ids import new_id
from pilar.workspaces import store

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.transaction(Scope.fleet()) as opened:
        yield opened


@pytest.fixture
def person(connection: Connection) -> UUID:
    return store.ensure_person(connection, email="ada@studio.test", name="Ada", phone=None, now=NOW)


@pytest.fixture
def workspace(connection: Connection, person: UUID) -> UUID:
    workspace_id = new_id()
    values = {"name": "North", "state": "active", "plan": "PRO", "country": "NL", "time_zone": "Europe/Amsterdam"}
    store.upsert_workspace(connection, {"workspace_id": workspace_id, "created_at": NOW, **values})
    store.ensure_membership(connection, workspace_id, person, "owner", NOW)
    return workspace_id
