"""What became of a nudge is kept with it once it is settled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0035"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add three columns; the hourly look fills them."""
    op.execute("set local lock_timeout = '10s'")
    for name, comment in (
        ("outcome_at", "business time: when the next two were found; null: messages tell them"),
        ("sent_at", "business time, as kept; null: the provider did not take it, or failed"),
        ("answered_at", "business time, as kept; null: no answer within 12 hours"),
    ):
        op.add_column("coach_nudge", sa.Column(name, _TIME, comment=comment))
