"""Attempts are counted where they are settled, so that no page reads the log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.backplane.histograms import BOUNDS
from pilar.database.row_security import protect_fleet_table

revision = "0033"
down_revision = "0037"
branch_labels = None
depends_on = None

# What the log tells of the days that it holds. Buckets are those of the release that made this table.
_COUNT = """
insert into queue_tally
  (minute, lane, outcome, wait_bucket, run_bucket, attempts, longest_wait, longest_run, is_sum)
select date_trunc('minute', finished_at, 'UTC'), lane, outcome, width_bucket(wait, bounds), width_bucket(run, bounds),
       count(*), max(wait), max(run), true
from (select finished_at, lane, outcome, greatest(extract(epoch from claimed_at - due_at)::float8, 0) as wait,
             greatest(extract(epoch from finished_at - claimed_at)::float8, 0) as run
      from queue_log where outcome in ('done', 'retry', 'snoozed', 'dead')) attempt
cross join (select cast(:bounds as float8[]) as bounds) b
group by 1, 2, 3, 4, 5
"""


def upgrade() -> None:
    """Add the table, and count what is logged."""
    op.execute("set local lock_timeout = '10s'")
    op.create_table(
        "queue_tally",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False, comment="real time; in which they ended"),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="done, retry, snoozed or dead"),
        sa.Column("wait_bucket", sa.SmallInteger(), nullable=False, comment="see backplane/histograms.py"),
        sa.Column("run_bucket", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="how many"),
        sa.Column(
            "longest_wait",
            sa.Double(),
            nullable=False,
            comment="seconds from when one was due until it was claimed",
        ),
        sa.Column("longest_run", sa.Double(), nullable=False, comment="seconds from a claim until it was settled"),
        sa.Column("is_sum", sa.Boolean(), nullable=False, comment="whether it is added up; else it is of one batch"),
        comment="How many attempts ended in each minute and how long they took: written with them, dropped by age.",
        info={"kind": "fleet"},
    )
    for statement in protect_fleet_table("queue_tally"):
        op.execute(statement)
    op.execute(sa.text(_COUNT).bindparams(bounds=list(BOUNDS)))
    op.create_index(op.f("ix_queue_tally_minute"), "queue_tally", ["minute"])
    op.create_index("ix_queue_tally_loose", "queue_tally", ["minute"], postgresql_where=sa.text("not is_sum"))
