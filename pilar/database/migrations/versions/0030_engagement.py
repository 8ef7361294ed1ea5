"""How leads take their coaching: scores, the pace that follows from answers, and what a studio sees of both."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_analytics_table, protect_tenant_table

revision = "0030"
down_revision = "0027"
branch_labels = None
depends_on = None

ANALYTICS = ("analytics.lead_engagement", "analytics.coach_engagement")


def upgrade() -> None:
    """Add columns and tables."""
    op.execute("set local lock_timeout = '10s'")
    _enrolments()
    _states()
    _paces()
    _engagement()
    for statement in protect_tenant_table("coach_pace"):
        op.execute(statement)
    for table in ANALYTICS:
        for statement in protect_analytics_table(table, tenant=True):
            op.execute(statement)


def _owner() -> sa.Column[UUID]:
    return sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row")


def _enrolments() -> None:
    op.add_column(
        "coach_enrolment",
        sa.Column(
            "slowed_to",
            sa.Text(),
            comment="weekly or bi-weekly, where that is less often than frequency; null: as chosen",
        ),
    )
    op.add_column(
        "coach_enrolment",
        sa.Column("paused_at", sa.DateTime(timezone=True), comment="business time; null: is written to"),
    )
    op.add_column(
        "coach_enrolment",
        sa.Column(
            "pace_at",
            sa.DateTime(timezone=True),
            comment="business time: when the two were last decided; null: never",
        ),
    )
    op.alter_column(
        "coach_nudge",
        "skipped",
        comment="code of why no message was made: ended, late, turned_off, nothing; slowed, paused, weekly_cap",
        existing_type=sa.Text(),
        existing_comment="code of why no message was made: ended, late, turned_off, nothing",
    )
    op.add_column(
        "coach_activity",
        sa.Column(
            "opted_out",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="of sent: the lead opted out within 24 hours, and of that lead's nudges this was the last",
        ),
        schema="analytics",
    )


def _states() -> None:
    gone = "nobody writes it any more: see analytics.lead_engagement"
    before: dict[str, tuple[sa.types.TypeEngine[Any], str]] = {
        "response_rate": (sa.Numeric(5, 4), "share of nudges that were answered; null: not calculated yet"),
        "engagement_score": (sa.SmallInteger(), "0 to 100; null: not calculated yet"),
    }
    for column, (kind, comment) in before.items():
        op.alter_column("coach_state", column, comment=gone, existing_type=kind, existing_comment=comment)
    op.create_table_comment(
        "coach_state",
        "What follows from a lead's trainings, kept ready for plans and pages.",
        existing_comment="What follows from a lead's trainings and answers, kept ready for plans and pages.",
    )


def _paces() -> None:
    op.create_table(
        "coach_pace",
        _owner(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("decision", sa.Text(), nullable=False, comment="slowed, raised, paused, resumed or chosen"),
        sa.Column("frequency", sa.Text(), nullable=False, comment="from then on: daily, weekly or bi-weekly"),
        sa.Column("unanswered", sa.Integer(), nullable=False, comment="nudges in a row that were not answered by then"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_coach_pace")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["coach_enrolment.workspace_id", "coach_enrolment.lead_id"],
            name=op.f("fk_coach_pace_workspace_id_lead_id_coach_enrolment"),
        ),
        comment="Why a lead is written to as often as they are, append-only.",
        info={"kind": "tenant"},
    )
    op.create_index(
        op.f("ix_coach_pace_workspace_id_lead_id_decided_at"), "coach_pace", ["workspace_id", "lead_id", "decided_at"]
    )


def _part(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.SmallInteger(), nullable=False, comment=comment)


def _engagement() -> None:
    op.create_table(
        "lead_engagement",
        _owner(),
        sa.Column("lead_id", sa.Uuid(), nullable=False, comment="who is coached"),
        _part("score", "0 to 100, see coach/engagement.py"),
        sa.Column(
            "response_rate",
            sa.Numeric(5, 4),
            comment="share of the sent nudges that were answered; null: none was sent",
        ),
        _part("answers", "part of the score, 0 to 100: whether nudges are answered"),
        _part("speed", "part, 0 to 100: how soon"),
        _part("trainings", "part, 0 to 100: how often they train"),
        _part("goals", "part, 0 to 100: how far their goals are"),
        _part("bookings", "part, 0 to 100: how often they book"),
        sa.Column("sent", sa.Integer(), nullable=False, comment="nudges of the last 90 days that the provider took"),
        sa.Column("answered", sa.Integer(), nullable=False, comment="of sent: the lead wrote within 12 hours"),
        sa.Column("unanswered", sa.Integer(), nullable=False, comment="nudges in a row since the lead last wrote"),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "lead_id", name=op.f("pk_lead_engagement")),
        schema="analytics",
        comment="How coached leads take part, as last looked at.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "coach_engagement",
        _owner(),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC, business time"),
        sa.Column("leads", sa.Integer(), nullable=False, comment="who are coached"),
        sa.Column("slowed", sa.Integer(), nullable=False, comment="of them: written to less often than they chose"),
        sa.Column("paused", sa.Integer(), nullable=False, comment="of them: not written to until they write"),
        sa.Column("mean_score", sa.Numeric(5, 2), nullable=False, comment="of them; 0 where nobody is coached"),
        sa.Column(
            "distribution",
            sa.ARRAY(sa.Integer()),
            nullable=False,
            comment="leads by score: 0 to 9, 10 to 19, …, 90 to 100",
        ),
        sa.Column("goals_active", sa.Integer(), nullable=False, comment="goals of coached leads that are worked on"),
        sa.Column("goals_reached", sa.Integer(), nullable=False, comment="goals of coached leads that are reached"),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "day", name=op.f("pk_coach_engagement")),
        schema="analytics",
        comment="How a studio's coached leads take part, by day.",
        info={"kind": "tenant"},
    )
