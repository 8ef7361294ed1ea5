"""Events keep how often each of their handlers is tried, so that it can be read when the work on them is over."""

from __future__ import annotations

import runpy
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and have the view read it where there is no work any more."""
    op.execute("set local lock_timeout = '10s'")
    op.add_column(
        "autopilot_event",
        sa.Column(
            "max_attempts", sa.SmallInteger(), comment="of each of its handlers; null: recorded before it was kept"
        ),
    )
    before: str = runpy.run_path(str(Path(__file__).with_name("0010_state_of_work.py")))["EVENT_STATE"]
    op.execute(
        before.replace("create view", "create or replace view").replace(
            "w.max_attempts,", "coalesce(f.max_attempts, w.max_attempts) as max_attempts,"
        )
    )
