"""What leads are told of is forgotten in time, and a lead's state says nothing that it does not know."""

from __future__ import annotations

from alembic import op

revision = "0037"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop two columns that nobody reads, and find what is past its time by an index."""
    op.execute("set local lock_timeout = '10s'")
    op.drop_column("coach_state", "response_rate")
    op.drop_column("coach_state", "engagement_score")
    op.create_table_comment(
        "coach_state",
        "What follows from a lead's trainings, kept ready; how they take coaching: analytics.lead_engagement.",
        existing_comment="What follows from a lead's trainings, kept ready for plans and pages.",
    )
    op.create_index(op.f("ix_session_window_closes_at"), "session_window", ["closes_at"])
    op.create_index(op.f("ix_slot_offer_expires_at"), "slot_offer", ["expires_at"])
