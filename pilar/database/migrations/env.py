"""How Alembic runs a migration here: on the connection it is given, under lock and statement time-outs."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from pilar.database.migrate import LOCK_TIMEOUT, STATEMENT_TIMEOUT
from pilar.database.schema import metadata

connection = context.config.attributes["connection"]
connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
connection.execute(text(f"set statement_timeout = '{STATEMENT_TIMEOUT}'"))
context.configure(
    connection=connection,
    target_metadata=metadata,
    include_schemas=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
