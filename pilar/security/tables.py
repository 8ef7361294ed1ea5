"""Access tables: tokens, sessions, links. What belongs here: their shape. Secrets are kept as hashes only.

The people themselves and what they are in which studio are `workspaces`' tables.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, Text, Uuid

from pilar.database.schema import Timestamp, fleet_table, json_column

api_token = fleet_table(
    "api_token",
    Column("id", Uuid, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the token"),
    Column("name", Text, nullable=False, comment="what it is for, in its maker's words"),
    Column("kind", Text, nullable=False, comment="the principal it stands for: system, admin, owner or member"),
    Column("person_id", Uuid, comment="whose it is; their rights at the moment of use bound the token's"),
    Column("workspace_id", Uuid, comment="the one studio it reaches; null: the fleet"),
    json_column("scopes", comment="list of read, write"),
    Column("created_at", Timestamp, nullable=False, comment="real time"),
    Column("expires_at", Timestamp, comment="real time; null: never"),
    Column("revoked_at", Timestamp, comment="real time"),
    Column("last_used_at", Timestamp, comment="real time, to the minute"),
    ForeignKeyConstraint(["person_id"], ["person.id"]),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    comment="Tokens for programs: random, hashed, scoped, revocable.",
)

browser_session = fleet_table(
    "browser_session",
    Column("id", Uuid, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the cookie"),
    Column("person_id", Uuid, nullable=False),
    Column("csrf_secret", Text, nullable=False, comment="what every form of this session carries"),
    Column("created_at", Timestamp, nullable=False, comment="real time"),
    Column("seen_at", Timestamp, nullable=False, comment="real time, to the minute"),
    Column("expires_at", Timestamp, nullable=False, comment="real time; idle ones end earlier"),
    ForeignKeyConstraint(["person_id"], ["person.id"]),
    Index(None, "person_id"),
    Index(None, "expires_at"),
    comment="Signed-in browsers.",
)

sign_in_link = fleet_table(
    "sign_in_link",
    Column("token_hash", LargeBinary, primary_key=True, comment="SHA-256 of the token in the link"),
    Column("person_id", Uuid, nullable=False),
    Column("created_at", Timestamp, nullable=False, comment="real time"),
    Column("expires_at", Timestamp, nullable=False, comment="real time"),
    Column("used_at", Timestamp, comment="real time; a link works once"),
    ForeignKeyConstraint(["person_id"], ["person.id"]),
    Index(None, "expires_at"),
    comment="Links that sign a person in, once.",
)
