"""What the number of an open studio waits for, beside what keeps one from opening."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_tenant_table

revision = "0032"
down_revision = "0029"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table, take up the replacements that wait, and make room for both on the overview."""
    op.execute("set local lock_timeout = '10s'")
    op.create_table(
        "number_wait",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("matter", sa.Text(), nullable=False, comment="replacement or own_number"),
        sa.Column("id", sa.Uuid(), nullable=False, comment="of this wait; the next one has another"),
        sa.Column("title", sa.Text(), nullable=False, comment="what waits, as people read it"),
        sa.Column("waits_on", sa.Text(), nullable=False, comment="studio, meta, twilio, stripe or us: who has to act"),
        sa.Column("reason", sa.Text(), nullable=False, comment="for what, as a sentence"),
        sa.Column("link", sa.Text(), comment="where to act; null: on the studio's page"),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="waiting, or expired: it has waited in vain, and waits still"
        ),
        sa.Column("wait_since", _MOMENT, nullable=False, comment="real time"),
        sa.Column("waits_from", _MOMENT, nullable=False, comment="business time: reminders count from then"),
        sa.Column("reminders", sa.SmallInteger(), server_default="0", nullable=False, comment="sent in this wait"),
        sa.Column("remind_at", _MOMENT, comment="business time of the next reminder; null: none is to come"),
        sa.Column("expires_at", _MOMENT, comment="business time when it has waited in vain; null: never, or it has"),
        sa.PrimaryKeyConstraint("workspace_id", "matter", name=op.f("pk_number_wait")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_number_wait_workspace_id_workspace")
        ),
        comment="What the number of a studio that is open waits for.",
        info={"kind": "tenant"},
    )
    op.create_index(op.f("ix_number_wait_remind_at"), "number_wait", ["remind_at"])
    op.create_index(op.f("ix_number_wait_expires_at"), "number_wait", ["expires_at"])
    for statement in protect_tenant_table("number_wait"):
        op.execute(statement)
    op.execute("""
        insert into number_wait (workspace_id, matter, id, title, waits_on, reason, state, wait_since, waits_from)
        select workspace_id, 'replacement', id, 'Another number', waits_on, coalesce(wait_reason, why), 'waiting',
               begun_at, begun_on::timestamp at time zone 'UTC'
        from number_replacement where ended_at is null and waits_on is not null
    """)
    for name, kind, comment in (
        ("wait_title", sa.Text(), "what waits: the step, or the studio's number"),
        ("wait_link", sa.Text(), "where to act; null: on the studio's page"),
    ):
        op.add_column("studio_overview", sa.Column(name, kind, comment=comment), schema="analytics")
    op.add_column(
        "studio_overview",
        sa.Column(
            "wait_in_vain", sa.Boolean(), server_default="false", nullable=False, comment="it has lasted too long"
        ),
        schema="analytics",
    )
    op.alter_column(
        "studio_overview",
        "waits_on",
        existing_type=sa.Text(),
        comment="who keeps it waiting: studio, meta, twilio, stripe or us; null: nobody",
        schema="analytics",
    )
