"""Workers say with their heartbeat which providers they leave alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("set local lock_timeout = '10s'")
    op.add_column(
        "worker_heartbeat",
        sa.Column(
            "breakers",
            JSONB(),
            nullable=True,
            comment="what it knows of providers; null: by a release that did not say",
        ),
    )
