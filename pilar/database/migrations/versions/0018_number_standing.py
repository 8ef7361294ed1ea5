"""How WhatsApp stands to a studio's number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_tenant_table

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.execute("set local lock_timeout = '10s'")
    op.create_table(
        "number_standing",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("quality", sa.Text(), nullable=False, comment="green, yellow, red or unknown"),
        sa.Column(
            "messaging_limit",
            sa.Integer(),
            comment="people written to outside the window in 24 hours; null: no limit",
        ),
        sa.Column("throughput", sa.Integer(), nullable=False, comment="messages per second"),
        sa.Column(
            "marketing_frozen_until",
            sa.DateTime(timezone=True),
            comment="business time; null: marketing is not frozen",
        ),
        sa.Column("restricted", sa.Text(), comment="what WhatsApp forbids the account, as it names it; null: nothing"),
        sa.Column(
            "restricted_until",
            sa.DateTime(timezone=True),
            comment="business time; null: until WhatsApp says otherwise",
        ),
        sa.Column(
            "told_at",
            sa.DateTime(timezone=True),
            comment="when WhatsApp had it so, by its own clock; older news changes nothing",
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_number_standing")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_number_standing_workspace_id_workspace")
        ),
        comment="How WhatsApp rates and limits a studio's number; no row: as a new one.",
        info={"kind": "tenant"},
    )
    for statement in protect_tenant_table("number_standing"):
        op.execute(statement)
