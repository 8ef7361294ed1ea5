"""The tables of follow-ups that are under way. What belongs here: their shape; which there are is messaging's."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from pilar.database.schema import ANALYTICS, Timestamp, tenant_table, workspace_key

followup_step = tenant_table(
    "followup_step",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    # Not to the lead itself: planning would queue behind whoever holds the lead's row.
    Column("lead_id", Uuid, nullable=False),
    Column("followup_id", Uuid, nullable=False),
    Column("number", SmallInteger, nullable=False, comment="of the lead's steps of this follow-up, from 1 on"),
    Column("silent_since", Timestamp, nullable=False, comment="business time of our answer that the lead left at that"),
    Column("due_at", Timestamp, nullable=False, comment="business time"),
    Column("message_id", Uuid, comment="what was put into the outbox; whether it went is the message's to tell"),
    Column("made_at", Timestamp, comment="business time when it was"),
    Column(
        "skipped",
        Text,
        comment="code of why no message was made: replied, with_person, opted_out, booked, not_a_lead, closed,"
        " turned_off, no_template, late or erased",
    ),
    Column("planned_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id", "followup_id"], ["followup.workspace_id", "followup.id"]),
    ForeignKeyConstraint(["workspace_id", "message_id"], ["message.workspace_id", "message.id"]),
    UniqueConstraint("workspace_id", "lead_id", "followup_id", "number"),
    Index(
        "uq_followup_step_pending",
        "workspace_id",
        "lead_id",
        "followup_id",
        unique=True,
        postgresql_where=text("message_id is null and skipped is null"),
    ),
    Index("ix_followup_step_due_at", "workspace_id", "due_at"),
    comment="A follow-up that was planned for a lead: one per lead, follow-up and number.",
)

followup_day = tenant_table(
    "followup_day",
    workspace_key(),
    Column("day", Date, primary_key=True, comment="UTC, business time, on which they were due"),
    Column("name", Text, primary_key=True, comment="the follow-up's"),
    Column("planned", Integer, nullable=False, comment="all of that day, those yet to come too"),
    Column("sent", Integer, nullable=False, comment="accepted by the provider"),
    Column("read", Integer, nullable=False, comment="of sent: the lead has read it"),
    Column("answered", Integer, nullable=False, comment="of sent: the lead wrote within 72 hours"),
    Column("booked", Integer, nullable=False, comment="of sent: the lead booked within 7 days"),
    Column("refused", Integer, nullable=False, comment="our own verdict was no"),
    Column("failed", Integer, nullable=False, comment="refused or lost by the provider"),
    Column("stopped", Integer, nullable=False, comment="no message was made: the lead replied, booked or opted out, …"),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="A studio's follow-ups, by day and name.",
)
