"""Waits are followed up, jobs know what they were begun with, and a job can be taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

JOB_STATES = "running, waiting, failed, expired (waited in vain), completed, undoing or undone"
STEP_STATES = (
    "pending, in_progress, waiting, expired, completed, failed, undone, or retired: not among the steps any more"
)


def upgrade() -> None:
    """Add the columns; what a job under way was begun with is what its rows say."""
    op.execute("set local lock_timeout = '10s'")
    op.add_column(
        "provisioning_job",
        sa.Column(
            "begun_with",
            JSONB(),
            nullable=True,
            comment="names of the steps it was begun with; null: of before it was kept",
        ),
    )
    op.add_column(
        "provisioning_job", sa.Column("undo_reason", sa.Text(), comment="why it is taken back; null: it is not")
    )
    op.alter_column("provisioning_job", "state", comment=JOB_STATES)
    op.alter_column("provisioning_step", "status", comment=STEP_STATES)
    for column in _columns():
        op.add_column("provisioning_step", column)
    for name in ("remind_at", "look_at", "expires_at"):
        op.create_index(
            op.f(f"ix_provisioning_step_{name}"),
            "provisioning_step",
            [name],
            postgresql_where=sa.text(f"{name} is not null"),
        )
    op.execute("""
        update provisioning_job j set begun_with =
          (select jsonb_agg(s.name order by s.ordinal) from provisioning_step s where s.job_id = j.id)
    """)


def _columns() -> tuple[sa.Column[object], ...]:
    moment = sa.DateTime(timezone=True)
    zero = sa.text("0")
    return (
        sa.Column(
            "wait_link", sa.Text(), comment="where to act; null: nowhere, or by the set-up link, which is a secret"
        ),
        sa.Column(
            "wait_round", sa.Integer(), nullable=False, server_default=zero, comment="how often it has begun to wait"
        ),
        sa.Column("waits_from", moment, comment="business time when this wait began"),
        sa.Column("waits_for", sa.Text(), comment="the fact that ends this wait"),
        sa.Column("reminders", sa.SmallInteger(), nullable=False, server_default=zero, comment="of this wait, so far"),
        sa.Column("remind_at", moment, comment="business time of the next reminder; null: none is left"),
        sa.Column("look_at", moment, comment="business time when it looks for itself whether it can go on"),
        sa.Column("expires_at", moment, comment="business time when this wait is given up"),
        sa.Column("woken_by", sa.Text(), comment="what last let it look again"),
        sa.Column("woken_at", moment, comment="real time"),
    )
