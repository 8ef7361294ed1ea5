"""What keeps studios apart: every table is protected, and a scope sees, changes and references its own rows only."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, Table, delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError

import pilar
from pilar.database.engine import Database, Scope
from pilar.database.migrate import migrate
from pilar.database.schema import metadata
from pilar.ids import new_id
from pilar.workspaces.store import upsert_integration, upsert_workspace

NOW = datetime(2026, 3, 1, tzinfo=UTC)

for module in pkgutil.walk_packages(pilar.__path__, "pilar."):
    if "migrations" not in module.name:
        importlib.import_module(module.name)


def _studio(connection: Connection, workspace_id: UUID) -> None:
    values: dict[str, Any] = {
        "workspace_id": workspace_id,
        "name": "Studio",
        "state": "active",
        "plan": "BASIC",
        "country": "NL",
        "time_zone": "Europe/Amsterdam",
        "created_at": NOW,
    }
    upsert_workspace(connection, values)
    upsert_integration(connection, workspace_id, "twilio", now=NOW, external_id="AC1")


def test_the_migrations_make_the_tables_that_the_code_describes(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_schemas": True, "compare_type": True, "include_object": _is_ours}
        )
        assert compare_metadata(context, metadata) == []


def _is_ours(thing: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Leave out the log's partitions and Alembic's own table."""
    table = name if kind == "table" else getattr(getattr(thing, "table", None), "name", "")
    return not (str(table).startswith("queue_log_") or table == "alembic_version")


def test_every_table_forces_row_security_and_has_the_policies_of_its_kind(database: Database) -> None:
    with database.engine.connect() as connection:
        rows = connection.execute(
            text("""
            select n.nspname, c.relname, c.relrowsecurity and c.relforcerowsecurity as forced,
                   array(select polname::text from pg_policy where polrelid = c.oid) as policies
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname in ('public', 'analytics') and c.relkind in ('r', 'p') and not c.relispartition
              and c.relname <> 'alembic_version'
            """)
        ).all()
    found = {(row.nspname, row.relname): row for row in rows}
    assert found.keys() == {(table.schema or "public", table.name) for table in metadata.tables.values()}
    for table in metadata.tables.values():
        row = found[table.schema or "public", table.name]
        expected = {"fleet"}
        if table.info["kind"] != "fleet":
            expected.add("affiliate" if table.info["kind"] == "affiliate" else "tenant")
        if table.schema == "analytics":
            expected.add("analyst")
        assert row.forced, f"{table.name} does not force row security"
        assert set(row.policies) == expected, table.name


def test_every_tenant_table_has_the_workspace_first_in_its_key() -> None:
    for table in metadata.tables.values():
        if table.info["kind"] == "tenant":
            assert next(iter(table.primary_key.columns)).name == "workspace_id", table.name
            for key in table.foreign_key_constraints:
                if key.referred_table.info["kind"] == "tenant":
                    assert key.column_keys[0] == "workspace_id", f"{table.name} can refer to another studio's rows"


def test_every_affiliate_table_has_the_affiliate_first_in_its_key() -> None:
    for table in metadata.tables.values():
        if table.info["kind"] == "affiliate":
            assert next(iter(table.primary_key.columns)).name == "affiliate_id", table.name
            for key in table.foreign_key_constraints:
                if key.referred_table.info["kind"] == "affiliate":
                    assert key.column_keys[0] == "affiliate_id", f"{table.name} can refer to another affiliate's rows"


OWNED = [table for table in metadata.tables.values() if table.info["kind"] in {"tenant", "mixed"}]
SHOWN = [table for table in metadata.tables.values() if table.info["kind"] == "shown"]
OF_AFFILIATES = [table for table in metadata.tables.values() if table.info["kind"] == "affiliate"]
APPEND_ONLY = {"autopilot_event", "autopilot_job", "audit_log", "consent", "message_status"}


def _row(table: Table, owner: UUID, column_of_owner: str = "workspace_id") -> dict[str, Any]:
    """A row with something in each column that must have something."""
    values: dict[str, Any] = {}
    for column in table.columns:
        if column.name == column_of_owner:
            values[column.name] = owner
        elif not (column.nullable or column.server_default or column.identity):
            values[column.name] = _value(column)
    return values


def _value(column: Column[Any]) -> Any:
    kinds = {
        UUID: new_id(),
        str: "x",
        int: 1,
        datetime: NOW,
        date: NOW.date(),
        time: time(9),
        bytes: b"x",
        bool: True,
        Decimal: 1,
        float: 1.0,
        list: [1],
    }
    return {} if isinstance(column.type, JSONB) else kinds[column.type.python_type]


@pytest.mark.parametrize("table", OWNED, ids=lambda table: table.fullname)
def test_a_studio_sees_and_changes_no_row_of_another(database: Database, table: Table) -> None:
    mine, other = new_id(), new_id()
    with database.engine.begin() as connection:  # the owner, with foreign keys asleep: the policies are what is tested
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(insert(table).values(_row(table, mine)))
    count = text(f"select count(*) from {table.fullname}")
    with database.transaction(Scope.workspace(mine)) as connection:
        assert connection.execute(count).scalar_one() == 1
    with database.transaction(Scope.workspace(other)) as connection:
        assert connection.execute(count).scalar_one() == 0
    with database.transaction(Scope("pilar_app")) as connection:
        assert connection.execute(count).scalar_one() == 0
    if table.schema != "analytics":
        with pytest.raises(DBAPIError, match="row-level security"), database.transaction(Scope.workspace(other)) as own:
            own.execute(insert(table).values(_row(table, mine)))
    if table.schema != "analytics" and table.name not in APPEND_ONLY:
        with database.transaction(Scope.workspace(other)) as connection:
            assert connection.execute(update(table).values(workspace_id=other)).rowcount == 0
            assert connection.execute(delete(table)).rowcount == 0
    with database.transaction(Scope.fleet()) as connection:
        assert connection.execute(count).scalar_one() == 1


@pytest.mark.parametrize("table", OF_AFFILIATES, ids=lambda table: table.fullname)
def test_an_affiliate_sees_no_row_of_another_and_changes_none(database: Database, table: Table) -> None:
    mine, other = new_id(), new_id()
    with database.engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(insert(table).values(_row(table, mine, "affiliate_id")))
    count = text(f"select count(*) from {table.fullname}")
    seen = {}
    # A studio whose id happens to be the affiliate's is a studio all the same.
    others = (Scope.affiliate(other), Scope.workspace(mine), Scope.workspace(other), Scope("pilar_app"))
    for scope in (Scope.fleet(), Scope.affiliate(mine), *others):
        with database.transaction(scope) as connection:
            seen[scope] = connection.execute(count).scalar_one()
    assert seen == {Scope.fleet(): 1, Scope.affiliate(mine): 1} | dict.fromkeys(others, 0)
    for scope in (Scope.affiliate(mine), *others):
        for statement in (
            insert(table).values(_row(table, other, "affiliate_id")),
            update(table).values(affiliate_id=other),
            delete(table),
        ):
            with pytest.raises(DBAPIError, match="permission denied"), database.transaction(scope) as connection:
                connection.execute(statement)


@pytest.mark.parametrize("table", sorted(APPEND_ONLY | {"inbox", "ledger_entry"}))
def test_not_even_the_system_rewrites_history(database: Database, table: str) -> None:
    column = next(iter(metadata.tables[table].columns)).name
    for statement in (f"delete from {table}", f"update {table} set {column} = default"):
        with pytest.raises(DBAPIError, match="permission denied"), database.transaction(Scope.fleet()) as connection:
            connection.execute(text(statement))


def test_a_studio_cannot_refer_to_a_row_of_another(database: Database) -> None:
    """Foreign-key checks bypass row security, so the keys themselves carry the workspace."""
    mine, other = new_id(), new_id()
    with database.transaction(Scope.fleet()) as connection:
        _studio(connection, mine)
        _studio(connection, other)
        values = _row(metadata.tables["provisioning_job"], mine)
        connection.execute(insert(metadata.tables["provisioning_job"]).values(values))
    step = {**_row(metadata.tables["provisioning_step"], other), "job_id": values["id"]}
    with pytest.raises(DBAPIError, match="foreign key"), database.transaction(Scope.workspace(other)) as connection:
        connection.execute(insert(metadata.tables["provisioning_step"]).values(step))


@pytest.mark.parametrize("table", SHOWN, ids=lambda table: table.fullname)
def test_a_studio_reads_its_own_rows_of_a_shown_table_and_changes_none(database: Database, table: Table) -> None:
    mine, other = new_id(), new_id()
    with database.transaction(Scope.fleet()) as connection:
        for number, owner in enumerate((mine, other)):
            connection.execute(insert(table).values({**_row(table, owner), "position": number}))
    with database.transaction(Scope.workspace(mine)) as connection:
        assert connection.execute(select(table.c.workspace_id)).scalars().all() == [mine]
    with database.transaction(Scope.affiliate(mine)) as connection:
        assert connection.execute(select(table.c.workspace_id)).all() == []
    for statement in (
        insert(table).values({**_row(table, mine), "position": 2}),
        update(table).values(handler="x"),
        delete(table),
    ):
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            database.transaction(Scope.workspace(mine)) as connection,
        ):
            connection.execute(statement)


def test_the_scope_of_a_transaction_does_not_outlive_it(database: Database) -> None:
    mine = new_id()
    with database.transaction(Scope.fleet()) as connection:
        _studio(connection, mine)
    with database.transaction(Scope.workspace(mine)) as connection:
        assert connection.execute(text("select count(*) from workspace")).scalar_one() == 1
    with database.engine.connect() as connection:
        role, tenant = connection.execute(
            text("select current_role, nullif(current_setting('pilar.workspace', true), '')")
        ).one()
    assert (role, tenant) == ("pilar_owner", None)


def test_analysts_read_the_analytics_schema_and_nothing_else(database: Database) -> None:
    with database.transaction(Scope.analyst()) as connection:
        connection.execute(text("select * from analytics.workspace_health_score"))
    for statement in ("select * from workspace", "delete from analytics.workspace_health_score"):
        with pytest.raises(DBAPIError, match="permission denied"), database.transaction(Scope.analyst()) as connection:
            connection.execute(text(statement))


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    assert migrate(database_url) == []
