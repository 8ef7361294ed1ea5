"""The tables of defaults. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Integer, LargeBinary, Text

from pilar.database.schema import Timestamp, fleet_table, json_column, tenant_table, workspace_key

default_template = fleet_table(
    "default_template",
    Column("version", Integer, primary_key=True, autoincrement=False),
    json_column("document", comment="what new studios get, validated"),
    Column("note", Text, nullable=False, comment="what is new"),
    Column("created_by", Text, nullable=False, comment="the actor, as in the audit log"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    comment="The founder's default template; new studios get the highest version. None: the one that is built in.",
)

workspace_template = tenant_table(
    "workspace_template",
    workspace_key(),
    Column("part", Text, primary_key=True, comment="agent, coaching, followups or calendar"),
    Column("version", Integer, nullable=False, comment="of the default template; 0: built in"),
    Column("digest", LargeBinary, nullable=False, comment="of the part as the studio got it: another one is its own"),
    Column("given_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    comment="Which version of the default template a studio got, part by part.",
)
