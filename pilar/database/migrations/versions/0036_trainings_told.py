"""Trainings that were missed or are planned, and files of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns."""
    op.execute("set local lock_timeout = '10s'")
    op.add_column(
        "coach_training",
        sa.Column("state", sa.Text(), nullable=False, server_default="done", comment="done, missed or planned"),
    )
    op.add_column(
        "coach_training",
        sa.Column("kind", sa.Text(), comment="what was trained, as the studio calls it; null: not told"),
    )
    op.alter_column(
        "coach_training",
        "source",
        comment="who told first: api, event, page or file",
        existing_type=sa.Text(),
        existing_comment="who told: api or event",
    )
    op.alter_column(
        "coach_training",
        "trained_at",
        comment="business time: when it begins",
        existing_type=sa.DateTime(timezone=True),
        existing_comment="business time: when it began",
    )
    op.create_table_comment(
        "coach_training",
        "A training of a lead, as it was told last.",
        existing_comment="A training that a lead attended.",
    )
    op.add_column(
        "lead_import",
        sa.Column("holds", sa.Text(), nullable=False, server_default="leads", comment="leads or trainings"),
    )
    counted = {
        "added": ("rows that brought something new: a lead, or a training", "leads who are new"),
        "known": ("rows of what was there already", "leads who were there already"),
    }
    for column, (comment, before) in counted.items():
        op.alter_column("lead_import", column, comment=comment, existing_type=sa.Integer(), existing_comment=before)
    told = {
        "lead_import": (
            "Files of leads or of their trainings that a studio brought, and how far they are read.",
            "Files of leads that a studio brought, and how far they are read.",
        ),
        "lead_import_part": (
            "A file that a studio brought while it is read, in parts.",
            "A file of leads while it is read, in parts.",
        ),
        "lead_import_refusal": (
            "Rows of a file that could not be used.",
            "Rows of a file of leads that could not be used.",
        ),
    }
    for table, (comment, before) in told.items():
        op.create_table_comment(table, comment, existing_comment=before)
