"""The calendar's tables. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, SmallInteger, Text, Time, UniqueConstraint, Uuid

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
