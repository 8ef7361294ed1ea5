"""How leads take their coaching. What belongs here: the shape of the tables."""

from __future__ import annotations

from sqlalchemy import ARRAY, Column, Date, ForeignKeyConstraint, Index, Integer, Numeric, SmallInteger, Text, Uuid

from pilar.database.schema import ANALYTICS, Timestamp, tenant_table, workspace_key

coach_pace = tenant_table(
    "coach_pace",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("lead_id", Uuid, nullable=False),
    Column("decided_at", Timestamp, nullable=False, comment="business time"),
    Column("decision", Text, nullable=False, comment="slowed, raised, paused, resumed or chosen"),
    Column("frequency", Text, nullable=False, comment="from then on: daily, weekly or bi-weekly"),
    Column("unanswered", Integer, nullable=False, comment="nudges in a row that were not answered by then"),
    ForeignKeyConstraint(["workspace_id", "lead_id"], ["coach_enrolment.workspace_id", "coach_enrolment.lead_id"]),
    Index(None, "workspace_id", "lead_id", "decided_at"),
    comment="Why a lead is written to as often as they are, append-only.",
)

lead_engagement = tenant_table(
    "lead_engagement",
    workspace_key(),
    Column("lead_id", Uuid, primary_key=True, comment="who is coached"),
    Column("score", SmallInteger, nullable=False, comment="0 to 100, see coach/engagement.py"),
    Column("response_rate", Numeric(5, 4), comment="share of the sent nudges that were answered; null: none was sent"),
    Column("answers", SmallInteger, nullable=False, comment="part of the score, 0 to 100: whether nudges are answered"),
    Column("speed", SmallInteger, nullable=False, comment="part, 0 to 100: how soon"),
    Column("trainings", SmallInteger, nullable=False, comment="part, 0 to 100: how often they train"),
    Column("goals", SmallInteger, nullable=False, comment="part, 0 to 100: how far their goals are"),
    Column("bookings", SmallInteger, nullable=False, comment="part, 0 to 100: how often they book"),
    Column("sent", Integer, nullable=False, comment="nudges of the last 90 days that the provider took"),
    Column("answered", Integer, nullable=False, comment="of sent: the lead wrote within 12 hours"),
    Column("unanswered", Integer, nullable=False, comment="nudges in a row since the lead last wrote"),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="How coached leads take part, as last looked at.",
)

coach_engagement = tenant_table(
    "coach_engagement",
    workspace_key(),
    Column("day", Date, primary_key=True, comment="UTC, business time"),
    Column("leads", Integer, nullable=False, comment="who are coached"),
    Column("slowed", Integer, nullable=False, comment="of them: written to less often than they chose"),
    Column("paused", Integer, nullable=False, comment="of them: not written to until they write"),
    Column("mean_score", Numeric(5, 2), nullable=False, comment="of them; 0 where nobody is coached"),
    Column("distribution", ARRAY(Integer), nullable=False, comment="leads by score: 0 to 9, 10 to 19, …, 90 to 100"),
    Column("goals_active", Integer, nullable=False, comment="goals of coached leads that are worked on"),
    Column("goals_reached", Integer, nullable=False, comment="goals of coached leads that are reached"),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="How a studio's coached leads take part, by day.",
)
