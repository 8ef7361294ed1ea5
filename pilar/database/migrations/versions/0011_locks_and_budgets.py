"""Locks by studio and with a public id; overrides of budgets; reservations that say where they are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_tenant_table

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _extend_locks()
    _extend_budgets()
    for statement in protect_tenant_table("budget_override"):
        op.execute(statement)


def _extend_locks() -> None:
    # The key keeps its constraint's name, by which the previous release resolves its conflicts.
    op.add_column(
        "distributed_lock",
        sa.Column(
            "namespace",
            sa.Uuid(),
            sa.Computed("coalesce(workspace_id, '00000000-0000-0000-0000-000000000000'::uuid)", persisted=True),
            nullable=False,
            comment="whose key it is: the studio's; all zeros: the fleet's",
        ),
    )
    op.add_column(
        "distributed_lock",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("gen_random_uuid()"),
            nullable=False,
            comment="public id of this holding",
        ),
    )
    op.execute("comment on column distributed_lock.key is 'what is locked'")
    op.execute("comment on column distributed_lock.fencing_token is 'higher than that of whoever held it before'")
    op.drop_constraint(op.f("pk_distributed_lock"), "distributed_lock", type_="primary")
    op.create_primary_key(op.f("pk_distributed_lock"), "distributed_lock", ["namespace", "key"])
    op.create_unique_constraint(op.f("uq_distributed_lock_id"), "distributed_lock", ["id"])


def _extend_budgets() -> None:
    op.add_column(
        "budget_reservation",
        sa.Column(
            "periods",
            sa.ARRAY(sa.Text()),
            nullable=True,
            comment="hour, day or both: where it is counted as reserved; null: by a release that did not say",
        ),
    )
    op.create_index(
        op.f("ix_budget_usage_period_window_start"), "budget_usage", ["period", "window_start"], unique=False
    )
    op.create_table(
        "budget_override",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False, comment="messages, tokens, api_calls or money"),
        sa.Column("period", sa.Text(), nullable=False, comment="hour or day"),
        sa.Column("amount", sa.BigInteger(), nullable=False, comment="stands in place of the limit's while it lasts"),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False, comment="business time; ends by itself then"),
        sa.Column("made_by", sa.Text(), nullable=False, comment="the actor, as in the audit log"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "ended_at", sa.DateTime(timezone=True), nullable=True, comment="business time; null: nobody has ended it"
        ),
        sa.Column(
            "ended_by",
            sa.Text(),
            nullable=True,
            comment="the actor; who made the one that followed, where it was replaced",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_budget_override")),
        comment="An admin's other limit for a workspace, for a while.",
        info={"kind": "tenant"},
    )
    op.create_index(
        "ix_budget_override_open",
        "budget_override",
        ["workspace_id", "resource", "period"],
        unique=True,
        postgresql_where=sa.text("ended_at is null"),
    )
