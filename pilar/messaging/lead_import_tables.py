"""The tables of files that studios bring. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Integer, LargeBinary, Text, UniqueConstraint, Uuid

from pilar.database.schema import Timestamp, tenant_table, workspace_key

lead_import = tenant_table(
    "lead_import",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the file: the same file is taken once"),
    Column("file_name", Text, nullable=False, comment="as it was called where it came from"),
    Column("bytes", Integer, nullable=False),
    Column("state", Text, nullable=False, comment="waiting, running, done or failed"),
    Column("rows_read", Integer, nullable=False, comment="after the head; it goes on behind them"),
    Column("added", Integer, nullable=False, comment="rows that brought something new: a lead, or a training"),
    Column("known", Integer, nullable=False, comment="rows of what was there already"),
    Column("refused", Integer, nullable=False, comment="rows that can't be used"),
    Column("error", Text, comment="why the file could not be read to its end"),
    Column("asked_by", Text, nullable=False, comment="the actor, as in the audit log"),
    Column("created_at", Timestamp, nullable=False, comment="real time"),
    Column("finished_at", Timestamp, comment="real time"),
    Column("holds", Text, nullable=False, server_default="leads", comment="leads or trainings"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    UniqueConstraint("workspace_id", "digest"),
    comment="Files of leads or of their trainings that a studio brought, and how far they are read.",
)

lead_import_part = tenant_table(
    "lead_import_part",
    workspace_key(),
    Column("import_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False, comment="personal data; gone when the file is read"),
    ForeignKeyConstraint(["workspace_id", "import_id"], ["lead_import.workspace_id", "lead_import.id"]),
    comment="A file that a studio brought while it is read, in parts.",
)

lead_import_refusal = tenant_table(
    "lead_import_refusal",
    workspace_key(),
    Column("import_id", Uuid, primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False, comment="where the row begins in the file"),
    Column("reason", Text, nullable=False, comment="what was wrong and what to do; nothing of the row itself"),
    ForeignKeyConstraint(["workspace_id", "import_id"], ["lead_import.workspace_id", "lead_import.id"]),
    comment="Rows of a file that could not be used.",
)
