"""The table of messages that may be refusals. What belongs here: its shape."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, Text, Uuid, text

from pilar.database.schema import Timestamp, tenant_table, workspace_key

refusal_question = tenant_table(
    "refusal_question",
    workspace_key(),
    Column("message_id", Uuid, primary_key=True, comment="the lead's message"),
    Column("lead_id", Uuid, nullable=False),
    Column("state", Text, nullable=False, comment="model: a model is to tell; person: somebody of the staff; settled"),
    Column("since", Timestamp, nullable=False, comment="business time from when on the lead gets no marketing for it"),
    Column("why_person", Text, comment="code of why a person is asked and no model told; null: none was asked"),
    Column("found", Text, comment="what it refuses: all, marketing or none; null: nobody has told"),
    Column(
        "told_by",
        Text,
        comment="model, an actor of the staff, unanswered, lead, or the source of the consent that ended it",
    ),
    Column("provider", Text, comment="whose model was asked"),
    Column("model", Text, comment="as its provider names it"),
    Column("answer", Text, comment="what the model answered, in its code"),
    Column("language", Text, comment="ISO 639-1, as the model read it"),
    Column("settled_at", Timestamp, comment="business time; null: it is open"),
    ForeignKeyConstraint(["workspace_id", "message_id"], ["message.workspace_id", "message.id"]),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    Index(None, "workspace_id", "lead_id", "since"),
    Index("ix_refusal_question_open", "workspace_id", "lead_id", postgresql_where=text("settled_at is null")),
    comment="Messages that may ask for silence in words that no rule knows, and what was found.",
)
