"""Goals, trainings, and what a plan for a great many leads needs to know."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_tenant_table

revision = "0025"
down_revision = "0026"
branch_labels = None
depends_on = None

TENANT = ("coach_goal", "coach_milestone", "coach_training", "coach_state")

# Wherever a number becomes known, what was derived from it is looked up anew.
FORGET_ZONES = """
create function coach_forget_zones() returns trigger language plpgsql as $$ begin
  update coach_enrolment set phone_zones = null where workspace_id = new.workspace_id and lead_id = new.id;
  return null;
end $$
"""


def upgrade() -> None:
    """Add columns and tables."""
    op.execute("set local lock_timeout = '10s'")
    op.add_column(
        "coach_enrolment",
        sa.Column(
            "phone_zones",
            sa.ARRAY(sa.Text()),
            comment="IANA names that the number leaves possible; null: looked up at the next plan",
        ),
    )
    op.add_column(
        "coach_nudge",
        sa.Column(
            "plan_id", sa.Uuid(), comment="of the plan that made it: its work wakes the nudges of a moment together"
        ),
    )
    op.alter_column(
        "coach_nudge",
        "skipped",
        comment="code of why no message was made: ended, late, turned_off, nothing",
        existing_type=sa.Text(),
        existing_comment="code of why no message was made: ended, late, turned_off",
    )
    op.execute(FORGET_ZONES)
    op.execute(
        "create trigger coach_forget_zones after update of phone on lead for each row"
        " when (old.phone is distinct from new.phone) execute function coach_forget_zones()"
    )
    _goals()
    _trainings()
    for table in TENANT:
        for statement in protect_tenant_table(table):
            op.execute(statement)


def _owner() -> sa.Column[UUID]:
    return sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row")


def _of_lead(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", "lead_id"],
        ["lead.workspace_id", "lead.id"],
        name=op.f(f"fk_{table}_workspace_id_lead_id_lead"),
    )


def _goals() -> None:
    op.create_table(
        "coach_goal",
        _owner(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False, comment="weight_loss, muscle_gain, endurance, strength or habit"),
        sa.Column("target", sa.Text(), nullable=False, comment="personal data: in the words of lead or staff"),
        sa.Column("deadline", sa.Date(), comment="where the lead is; null: none"),
        sa.Column("progress", sa.SmallInteger(), nullable=False, comment="percent"),
        sa.Column("state", sa.Text(), nullable=False, comment="active, reached or dropped"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_coach_goal")),
        _of_lead("coach_goal"),
        comment="What a lead wants to reach.",
        info={"kind": "tenant"},
    )
    op.create_index(op.f("ix_coach_goal_workspace_id_lead_id"), "coach_goal", ["workspace_id", "lead_id"])
    op.create_table(
        "coach_milestone",
        _owner(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("goal_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False, comment="personal data: in the words of lead or staff"),
        sa.Column("target_date", sa.Date(), nullable=False, comment="where the lead is"),
        sa.Column("completed_at", sa.DateTime(timezone=True), comment="business time; null: not completed"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_coach_milestone")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "goal_id"],
            ["coach_goal.workspace_id", "coach_goal.id"],
            name=op.f("fk_coach_milestone_workspace_id_goal_id_coach_goal"),
        ),
        comment="A step on the way to a goal.",
        info={"kind": "tenant"},
    )
    op.create_index(op.f("ix_coach_milestone_workspace_id_goal_id"), "coach_milestone", ["workspace_id", "goal_id"])


def _trainings() -> None:
    op.create_table(
        "coach_training",
        _owner(),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("trained_at", sa.DateTime(timezone=True), nullable=False, comment="business time: when it began"),
        sa.Column("booking_id", sa.Uuid(), comment="the booking that was kept by it; null: none, or it is not known"),
        sa.Column("source", sa.Text(), nullable=False, comment="who told: api or event"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "lead_id", "trained_at", name=op.f("pk_coach_training")),
        _of_lead("coach_training"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "booking_id"],
            ["booking.workspace_id", "booking.id"],
            name=op.f("fk_coach_training_workspace_id_booking_id_booking"),
        ),
        comment="A training that a lead attended.",
        info={"kind": "tenant"},
    )
    op.create_index(op.f("ix_coach_training_workspace_id_trained_at"), "coach_training", ["workspace_id", "trained_at"])
    op.create_index(
        "ix_coach_training_booking_id",
        "coach_training",
        ["workspace_id", "booking_id"],
        postgresql_where=sa.text("booking_id is not null"),
    )
    op.create_table(
        "coach_state",
        _owner(),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("last_training_at", sa.DateTime(timezone=True), comment="business time; null: none is known"),
        sa.Column(
            "longest_pause_days",
            sa.Integer(),
            comment="how long the lead's rhythm lets them pause; null: too few trainings to tell",
        ),
        sa.Column(
            "response_rate", sa.Numeric(5, 4), comment="share of nudges that were answered; null: not calculated yet"
        ),
        sa.Column("engagement_score", sa.SmallInteger(), comment="0 to 100; null: not calculated yet"),
        sa.PrimaryKeyConstraint("workspace_id", "lead_id", name=op.f("pk_coach_state")),
        _of_lead("coach_state"),
        comment="What follows from a lead's trainings and answers, kept ready for plans and pages.",
        info={"kind": "tenant"},
    )
