"""Who may come in: nothing is good for a closed studio any more."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0025"
branch_labels = None
depends_on = None

# Studios that were closed by an earlier release, which left their tokens and addresses in force.
REVOKE = tuple(
    f"update {table} t set revoked_at = now() from workspace w"
    " where w.workspace_id = t.workspace_id and w.state = 'closed' and t.revoked_at is null"
    for table in ("api_token", "booking_feed")
)


def upgrade() -> None:
    """Revoke what closed studios still have."""
    op.execute("set local lock_timeout = '10s'")
    for statement in REVOKE:
        op.execute(statement)
