"""What is kept about leads beside their talk. What belongs here: the tables' shape."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
)

from pilar.database.schema import Timestamp, fleet_table, tenant_table, workspace_key

lead_alias = tenant_table(
    "lead_alias",
    workspace_key(),
    Column("old_id", Uuid, primary_key=True, comment="an id that was a lead's; it answers with the lead who stayed"),
    Column("lead_id", Uuid, nullable=False, comment="who stayed"),
    Column("reason", Text, nullable=False, comment="why the two are one person"),
    Column("merged_by", Text, nullable=False, comment="the actor, as in the audit log"),
    Column("merged_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    Index(None, "workspace_id", "lead_id"),
    comment="Leads who turned out to be somebody whom the studio knew already.",
)

lead_note = tenant_table(
    "lead_note",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("text", Text, nullable=False, comment="personal data; what staff wrote for each other; never sent"),
    Column("written_by", Text, nullable=False, comment="the actor, as in the audit log"),
    Column("written_at", Timestamp, nullable=False, comment="business time"),
    Column("form_id", Text, nullable=False, comment="of what it was typed into: sent twice, it counts once"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    UniqueConstraint("workspace_id", "form_id"),
    Index(None, "workspace_id", "lead_id", "written_at"),
    comment="What staff tell each other about a lead, in the inbox and on the lead's page.",
)

lead_call = tenant_table(
    "lead_call",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("provider_call_id", Text, nullable=False, comment="WhatsApp's id; of who was erased, ours"),
    Column("direction", Text, nullable=False, comment="in: the lead rang; out: the studio did"),
    Column("state", Text, nullable=False, comment="ringing, completed or failed"),
    Column("began_at", Timestamp, nullable=False, comment="as the provider has it"),
    Column("ended_at", Timestamp, comment="as the provider has it"),
    Column("seconds", Integer, comment="how long they talked"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    UniqueConstraint("workspace_id", "provider_call_id"),
    Index(None, "workspace_id", "lead_id"),
    comment="Calls over WhatsApp.",
)

lead_erasure = tenant_table(
    "lead_erasure",
    workspace_key(),
    Column("lead_id", Uuid, primary_key=True),
    Column("asked_by", Text, nullable=False, comment="the actor, as in the audit log"),
    Column("asked_at", Timestamp, nullable=False, comment="business time"),
    Column("erased_at", Timestamp, comment="business time; null: it is about to be done"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    comment="Whose personal data was asked to be erased, and when it was.",
)

lead_suppression = tenant_table(
    "lead_suppression",
    workspace_key(),
    Column(
        "digest",
        LargeBinary,
        primary_key=True,
        comment="of a number, a user id or a mail address, under the key of person_key",
    ),
    Column("erased_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    comment="Who was erased: no file and no staff can have them written to again. Says nothing to who lacks the key.",
)

person_stop = fleet_table(
    "person_stop",
    Column("digest", LargeBinary, primary_key=True, comment="of a number or a user id, under the key of person_key"),
    Column("source", Text, nullable=False, comment="keyword, wording, provider or staff"),
    Column("proof", Text, nullable=False, comment="what shows it: a reference, no personal data"),
    Column("stopped_at", Timestamp, nullable=False, comment="business time"),
    comment="Who wants no messages from any of the founder's studios, those that meet them later included.",
)

person_key = fleet_table(
    "person_key",
    Column("id", SmallInteger, primary_key=True, autoincrement=False, comment="always 1"),
    Column("sealed_key", LargeBinary, nullable=False, comment="encrypted; the same for good, whatever encrypts it"),
    Column("created_at", Timestamp, nullable=False, comment="real time"),
    comment="The key of digests that stand for persons.",
)
