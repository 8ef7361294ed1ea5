"""What every table is made of. What belongs here: the metadata, naming, and the kinds of table; no table itself.

A table's kind decides who may see its rows (DESIGN, tenancy): a *tenant* table belongs to workspaces and carries
`workspace_id` first in its key, an *affiliate* table belongs to affiliates, a *fleet* table to the system alone, and so
does a *shown* table, of which a workspace reads its own rows.
"""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Column, DateTime, MetaData, Table, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

Kind = Literal["tenant", "fleet", "affiliate", "mixed", "shown"]

ANALYTICS = "analytics"
"""The schema that analysts and dashboards read."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Timestamp = DateTime(timezone=True)


def workspace_key() -> Column[Any]:
    """The first column of a tenant table's key."""
    return Column("workspace_id", Uuid, primary_key=True, comment="the studio that owns the row")


def affiliate_key() -> Column[Any]:
    """The first column of an affiliate table's key."""
    return Column("affiliate_id", Uuid, primary_key=True, comment="the affiliate that owns the row")


def json_column(name: str, *, nullable: bool = False, comment: str | None = None) -> Column[Any]:
    """A JSON document."""
    return Column(name, JSONB(none_as_null=True), nullable=nullable, comment=comment)


def tenant_table(name: str, *items: SchemaItem, comment: str, schema: str | None = None, **options: Any) -> Table:
    """A table whose rows each belong to one workspace."""
    return _table(name, "tenant", items, comment, schema, options)


def affiliate_table(name: str, *items: SchemaItem, comment: str, schema: str | None = None, **options: Any) -> Table:
    """A table whose rows each belong to one affiliate."""
    return _table(name, "affiliate", items, comment, schema, options)


def fleet_table(name: str, *items: SchemaItem, comment: str, schema: str | None = None, **options: Any) -> Table:
    """A table that only the system and the founder see."""
    return _table(name, "fleet", items, comment, schema, options)


def shown_table(name: str, *items: SchemaItem, comment: str, schema: str | None = None, **options: Any) -> Table:
    """A table that the system alone changes, and of which a workspace reads its own rows."""
    return _table(name, "shown", items, comment, schema, options)


def mixed_table(name: str, *items: SchemaItem, comment: str, schema: str | None = None, **options: Any) -> Table:
    """A table whose rows belong to a workspace, or to the fleet where `workspace_id` is null."""
    return _table(name, "mixed", items, comment, schema, options)


def _table(
    name: str, kind: Kind, items: tuple[SchemaItem, ...], comment: str, schema: str | None, options: dict[str, Any]
) -> Table:
    return Table(name, metadata, *items, comment=comment, schema=schema, info={"kind": kind}, **options)
