"""The coach's tables. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
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

coach_enrolment = tenant_table(
    "coach_enrolment",
    workspace_key(),
    Column("lead_id", Uuid, primary_key=True),
    Column(
        "frequency", Text, nullable=False, comment="daily: as scheduled; weekly, bi-weekly: one of a type in so long"
    ),
    Column("time_of_day", Text, comment="HH:MM where the lead is, in place of the schedules' hours; null: theirs"),
    Column("motivation_style", Text, nullable=False, comment="encouraging, challenging or supportive"),
    Column("enrolled_at", Timestamp, nullable=False, comment="business time"),
    Column("ended_at", Timestamp, comment="business time; null: is being coached"),
    Column("ended_reason", Text),
    Column(
        "phone_zones",
        ARRAY(Text),
        comment="IANA names that the number leaves possible; null: looked up at the next plan",
    ),
    Column("slowed_to", Text, comment="weekly or bi-weekly, where that is less often than frequency; null: as chosen"),
    Column("paused_at", Timestamp, comment="business time; null: is written to"),
    Column("pace_at", Timestamp, comment="business time: when the two were last decided; null: never"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    comment="A lead who asked to be coached, and how they want it.",
)

coach_nudge = tenant_table(
    "coach_nudge",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("type", Text, nullable=False, comment="morning_nudge, weekly_checkin, …"),
    Column("local_day", Date, nullable=False, comment="the day it is for, where the lead is"),
    Column("time_zone", Text, nullable=False, comment="IANA name: where the lead was thought to be"),
    Column("due_at", Timestamp, nullable=False, comment="business time"),
    Column("message_id", Uuid, comment="what was put into the outbox; whether it went is the message's to tell"),
    Column(
        "skipped",
        Text,
        comment="code of why no message was made: ended, late, turned_off, nothing; slowed, paused, weekly_cap",
    ),
    Column("planned_at", Timestamp, nullable=False, comment="business time"),
    Column("plan_id", Uuid, comment="of the plan that made it: its work wakes the nudges of a moment together"),
    Column("asked_at", Timestamp, comment="business time: when a model was asked to write it, once; null: none was"),
    Column("written_by", Text, comment="model, studio (its own text) or coach (ours); null: there is no message"),
    Column("not_by_model", Text, comment="why no model wrote it though the studio wants that, in one word"),
    Column("model", Text, comment="that was asked, as its provider names it"),
    Column("tokens", Integer, comment="that the model took, read and written"),
    Column("outcome_at", Timestamp, comment="business time: when the next two were found; null: messages tell them"),
    Column("sent_at", Timestamp, comment="business time, as kept; null: the provider did not take it, or failed"),
    Column("answered_at", Timestamp, comment="business time, as kept; null: no answer within 12 hours"),
    # Not to the lead itself: planning would queue behind whoever holds the lead's row.
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["coach_enrolment.workspace_id", "coach_enrolment.lead_id"]),
    ForeignKeyConstraint(["workspace_id", "message_id"], ["message.workspace_id", "message.id"]),
    UniqueConstraint("workspace_id", "lead_id", "type", "local_day"),
    Index(None, "workspace_id", "local_day"),
    Index("ix_coach_nudge_message_id", "workspace_id", "message_id", postgresql_where=text("message_id is not null")),
    Index(
        "ix_coach_nudge_pending",
        "workspace_id",
        "due_at",
        postgresql_where=text("message_id is null and skipped is null"),
    ),
    comment="A coaching message that was planned: one per lead, type and day.",
)

coach_checkin = tenant_table(
    "coach_checkin",
    workspace_key(),
    Column("nudge_id", Uuid, primary_key=True, comment="the weekly check-in that was answered"),
    Column("lead_id", Uuid, nullable=False),
    Column("message_id", Uuid, nullable=False, comment="the lead's words"),
    Column("trainings", SmallInteger, comment="how many there were, by the lead; null: not told"),
    Column("feeling", SmallInteger, comment="1 (bad) to 5 (great), as the words are understood; null: not told"),
    Column("answered_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    ForeignKeyConstraint(["workspace_id", "message_id"], ["message.workspace_id", "message.id"]),
    Index(None, "workspace_id", "lead_id", "answered_at"),
    comment="What leads told about their week.",
)

coach_activity = tenant_table(
    "coach_activity",
    workspace_key(),
    Column("day", Date, primary_key=True, comment="where the lead is, business time"),
    Column("type", Text, primary_key=True, comment="of nudge"),
    Column("planned", Integer, nullable=False, comment="all of that day, those yet to come too"),
    Column("sent", Integer, nullable=False, comment="accepted by the provider"),
    Column(
        "refused", Integer, nullable=False, comment="our own no: the verdict's, an opt-out's, or no message was made"
    ),
    Column("answered", Integer, nullable=False, comment="of sent: the lead wrote within 12 hours"),
    Column("dry_run", Integer, nullable=False, comment="decided, and on purpose not sent"),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    Column(
        "opted_out",
        Integer,
        nullable=False,
        server_default="0",
        comment="of sent: the lead opted out within 24 hours, and of that lead's nudges this was the last",
    ),
    schema=ANALYTICS,
    comment="A studio's coaching, by day and type of nudge.",
)

coach_refusal = tenant_table(
    "coach_refusal",
    workspace_key(),
    Column("day", Date, primary_key=True, comment="where the lead is, business time"),
    Column("type", Text, primary_key=True, comment="of nudge"),
    Column("reason", Text, primary_key=True, comment="code, of the verdict or of the nudge"),
    Column("count", Integer, nullable=False, comment="nudges; one that has several reasons is counted for each"),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="Why nudges were not sent, by day and type.",
)
