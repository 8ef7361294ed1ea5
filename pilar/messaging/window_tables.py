"""The tables of session windows and of templates in figures. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKeyConstraint, Index, Integer, Text, Uuid, text

from pilar.database.schema import ANALYTICS, Timestamp, tenant_table, workspace_key

session_window = tenant_table(
    "session_window",
    workspace_key(),
    # Not to the lead itself: the monitor would queue behind whoever holds the lead's row.
    Column("lead_id", Uuid, primary_key=True),
    Column("opened_at", Timestamp, primary_key=True, comment="when the lead last wrote, as the provider tells"),
    Column("closes_at", Timestamp, nullable=False, comment="business time"),
    Column("closing_told_at", Timestamp, comment="business time when it was told that it closes soon"),
    Column("last_text_id", Uuid, comment="the last free text that was put into the outbox for it"),
    Column("ended", Text, comment="closed: unanswered; answered or renewed: before that; null: it is open"),
    Column("ended_at", Timestamp, comment="business time"),
    ForeignKeyConstraint(["workspace_id", "last_text_id"], ["message.workspace_id", "message.id"]),
    Index(None, "closes_at"),
    Index("ix_session_window_open", "workspace_id", "closes_at", postgresql_where=text("ended is null")),
    comment="A 24-hour window that was about to close while its lead waited for an answer.",
)

template_day = tenant_table(
    "template_day",
    workspace_key(),
    Column("day", Date, primary_key=True, comment="UTC, business time, on which it was queued"),
    Column("name", Text, primary_key=True, comment="as WhatsApp names it"),
    Column("language", Text, primary_key=True, comment="of the sibling that was sent; empty: none was"),
    Column("sent", Integer, nullable=False, comment="accepted by the provider"),
    Column("delivered", Integer, nullable=False, comment="of sent: it reached the telephone, read or not"),
    Column("read", Integer, nullable=False, comment="of sent: the lead has read it"),
    Column("answered", Integer, nullable=False, comment="of sent: the lead wrote within 72 hours"),
    Column("opted_out", Integer, nullable=False, comment="of sent: the lead withdrew consent within 24 hours"),
    Column("refused", Integer, nullable=False, comment="our own verdict was no, or it was withdrawn"),
    Column("failed", Integer, nullable=False, comment="refused or lost by the provider"),
    Column(
        "blocked", Integer, nullable=False, comment="of failed: the lead, or WhatsApp for them, takes no such message"
    ),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="A studio's templates in use, by day, name and language.",
)
