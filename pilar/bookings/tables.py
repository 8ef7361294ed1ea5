"""The calendar's tables. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from pilar.database.schema import Timestamp, tenant_table, workspace_key

event_type = tenant_table(
    "booking_event_type",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("slug", Text, nullable=False, comment="short name in links"),
    Column("name", Text, nullable=False),
    Column("duration_minutes", SmallInteger, nullable=False),
    Column("buffer_minutes", SmallInteger, nullable=False, comment="kept free after each booking"),
    Column("active", Boolean, nullable=False),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    Column(
        "buffer_before_minutes",
        SmallInteger,
        nullable=False,
        server_default=sql("0"),
        comment="kept free before each booking",
    ),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    UniqueConstraint("workspace_id", "slug"),
    comment="What can be booked in a studio.",
)

opening_hours = tenant_table(
    "booking_opening_hours",
    workspace_key(),
    Column("weekday", SmallInteger, primary_key=True, autoincrement=False, comment="ISO: 1 is Monday"),
    Column("opens", Time, primary_key=True, comment="in the studio's time zone"),
    Column("closes", Time, nullable=False, comment="in the studio's time zone"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    comment="When a studio can be booked.",
)

booking = tenant_table(
    "booking",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("event_type_id", Uuid, nullable=False),
    Column("lead_id", Uuid, nullable=False, comment="who comes"),
    Column("starts_at", Timestamp, nullable=False, comment="business time"),
    Column("ends_at", Timestamp, nullable=False, comment="business time"),
    Column("busy_until", Timestamp, nullable=False, comment="business time: the end, and what is kept free after it"),
    Column("state", Text, nullable=False, comment="booked or cancelled"),
    Column("source", Text, nullable=False, comment="what led to it: rule:trial, …"),
    Column("cause", Text, nullable=False, comment="idempotency key: the same cause books once"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    Column("cancelled_at", Timestamp, comment="business time"),
    Column("busy_from", Timestamp, nullable=False, comment="business time: the start, less what is kept free"),
    Column(
        "sequence",
        Integer,
        nullable=False,
        server_default=sql("0"),
        comment="how often it was changed, for calendars that follow a feed",
    ),
    ForeignKeyConstraint(
        ["workspace_id", "event_type_id"], ["booking_event_type.workspace_id", "booking_event_type.id"]
    ),
    UniqueConstraint("workspace_id", "cause"),
    Index(None, "workspace_id", "lead_id"),
    ExcludeConstraint(
        (sql("uuid_range(workspace_id, workspace_id, '[]')"), "&&"),
        (sql("tstzrange(busy_from, busy_until)"), "&&"),
        name="booking_not_twice",
        where=sql("state = 'booked'"),
        using="gist",
    ),
    Index("ix_booking_busy", "workspace_id", "busy_until", postgresql_where=sql("state = 'booked'")),
    comment="Who comes when, and for what.",
)

feed = tenant_table(
    "booking_feed",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, comment="who follows it, in the studio's words"),
    Column("token_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the address's secret"),
    Column("created_by", Text, nullable=False, comment="the actor, as in the audit log"),
    Column("created_at", Timestamp, nullable=False, comment="real time"),
    Column("revoked_at", Timestamp, comment="real time; null: it can be read"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    comment="Secret addresses under which a studio's calendar can be followed.",
)
