"""The SQL of changing keys. What belongs here: finding every encrypted column, and going over one in batches.

An encrypted column is one of bytes whose name begins with `sealed_`. They are looked for in the database, so that a new
one is never forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, LargeBinary, column, select, table, tuple_, update

_COLUMNS = """
select c.table_name, c.column_name, array_agg(a.attname::text order by array_position(i.indkey::int2[], a.attnum))
from information_schema.columns c
join pg_index i on i.indisprimary
  and i.indrelid = (quote_ident(c.table_schema) || '.' || quote_ident(c.table_name))::regclass
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
where c.table_schema = 'public' and c.data_type = 'bytea' and starts_with(c.column_name, 'sealed_')
group by c.table_name, c.column_name order by 1, 2
"""


@dataclass(frozen=True)
class SealedColumn:
    """Where encrypted values are, and what its rows are known by."""

    table: str
    column: str
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in lists."""
        return f"{self.table}.{self.column}"


@dataclass(frozen=True)
class SealedRow:
    """One encrypted value."""

    key: tuple[Any, ...]
    sealed: bytes


def sealed_columns(connection: Connection) -> list[SealedColumn]:
    """Every encrypted column that there is."""
    return [SealedColumn(row[0], row[1], tuple(row[2])) for row in connection.exec_driver_sql(_COLUMNS)]


def batch(
    connection: Connection, where: SealedColumn, after: Sequence[Any] | None, limit: int, *, lock: bool
) -> list[SealedRow]:
    """Values in the order of their keys, after one; with `lock` held until the transaction ends."""
    keys: list[ColumnElement[Any]] = [column(name) for name in where.key]
    sealed = column(where.column, LargeBinary)
    query = select(*keys, sealed).select_from(table(where.table)).where(sealed.is_not(None))
    if after is not None:
        query = query.where(tuple_(*keys) > tuple_(*after))
    query = query.order_by(*keys).limit(limit)
    rows = connection.execute(query.with_for_update() if lock else query)
    return [SealedRow(tuple(row[:-1]), bytes(row[-1])) for row in rows]


def write(connection: Connection, where: SealedColumn, key: Sequence[Any], sealed: bytes) -> None:
    """Put another value in place of one that is held."""
    target = table(where.table, *(column(name) for name in where.key), column(where.column, LargeBinary))
    statement = update(target).values({where.column: sealed})
    connection.execute(statement.where(*(target.c[name] == value for name, value in zip(where.key, key, strict=True))))
