"""API keys of studios' accounts: that they are made anew is counted beside repairs of webhooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say so in the comments."""
    op.execute("set local lock_timeout = '10s'")
    op.alter_column("channel_repair", "channel", existing_type=sa.Text(), comment="whatsapp, sms or key")
    op.create_table_comment(
        "channel_repair", "Each time that a channel's webhooks were pointed to us again, or a key was made anew."
    )
