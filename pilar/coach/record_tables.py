"""Goals and trainings of leads, and what follows from them. What belongs here: the shape of the tables."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKeyConstraint, Index, Integer, SmallInteger, Text, Uuid, text

from pilar.database.schema import Timestamp, tenant_table, workspace_key

coach_goal = tenant_table(
    "coach_goal",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("type", Text, nullable=False, comment="weight_loss, muscle_gain, endurance, strength or habit"),
    Column("target", Text, nullable=False, comment="personal data: in the words of lead or staff"),
    Column("deadline", Date, comment="where the lead is; null: none"),
    Column("progress", SmallInteger, nullable=False, comment="percent"),
    Column("state", Text, nullable=False, comment="active, reached or dropped"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    Column("changed_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    Index(None, "workspace_id", "lead_id"),
    comment="What a lead wants to reach.",
)

coach_milestone = tenant_table(
    "coach_milestone",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("goal_id", Uuid, nullable=False),
    Column("description", Text, nullable=False, comment="personal data: in the words of lead or staff"),
    Column("target_date", Date, nullable=False, comment="where the lead is"),
    Column("completed_at", Timestamp, comment="business time; null: not completed"),
    ForeignKeyConstraint(["workspace_id", "goal_id"], ["coach_goal.workspace_id", "coach_goal.id"]),
    Index(None, "workspace_id", "goal_id"),
    comment="A step on the way to a goal.",
)

coach_training = tenant_table(
    "coach_training",
    workspace_key(),
    Column("lead_id", Uuid, primary_key=True),
    Column("trained_at", Timestamp, primary_key=True, comment="business time: when it begins"),
    Column("booking_id", Uuid, comment="the booking that was kept by it; null: none, or it is not known"),
    Column("source", Text, nullable=False, comment="who told first: api, event, page or file"),
    Column("recorded_at", Timestamp, nullable=False, comment="business time"),
    Column("state", Text, nullable=False, server_default="done", comment="done, missed or planned"),
    Column("kind", Text, comment="what was trained, as the studio calls it; null: not told"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    ForeignKeyConstraint(["workspace_id", "booking_id"], ["booking.workspace_id", "booking.id"]),
    Index(None, "workspace_id", "trained_at"),
    Index(
        "ix_coach_training_booking_id", "workspace_id", "booking_id", postgresql_where=text("booking_id is not null")
    ),
    comment="A training of a lead, as it was told last.",
)

coach_state = tenant_table(
    "coach_state",
    workspace_key(),
    Column("lead_id", Uuid, primary_key=True),
    Column("last_training_at", Timestamp, comment="business time; null: none is known"),
    Column(
        "longest_pause_days",
        Integer,
        comment="how long the lead's rhythm lets them pause; null: too few trainings to tell",
    ),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["lead.workspace_id", "lead.id"]),
    comment="What follows from a lead's trainings, kept ready; how they take coaching: analytics.lead_engagement.",
)
