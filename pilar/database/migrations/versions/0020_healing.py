"""Numbers and channels that heal themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_tenant_table

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add what tells which news is newer, and the tables of looks, repairs and replacements."""
    op.execute("set local lock_timeout = '10s'")
    for name, comment in (
        ("told_at", "when WhatsApp decided so, by its own clock; older news changes nothing"),
        ("heard_at", "business time; when a webhook last changed it"),
        ("read_at", "business time; when WhatsApp was last asked how it stands"),
        ("paused_until", "business time; when its pause should be over; null: it has none"),
    ):
        op.add_column("message_template", sa.Column(name, _MOMENT, comment=comment))
    for name, kind, comment in (
        ("heard_at", _MOMENT, "business time; when a webhook last told of a restriction"),
        ("read_at", _MOMENT, "business time; when WhatsApp was last asked how it stands"),
        ("status", sa.Text(), "the number's, as WhatsApp has it, lower case: connected, banned, …"),
        ("name_status", sa.Text(), "of the name that leads see, lower case: approved, declined, …"),
        ("name_reason", sa.Text(), "why it was declined, as WhatsApp names it; null: it did not say"),
        ("review", sa.Text(), "of the account, lower case: approved, rejected, pending"),
        ("verification", sa.Text(), "of the business: verified, not_verified, …"),
    ):
        op.add_column("number_standing", sa.Column(name, kind, comment=comment))
    _channel_look()
    _channel_repair()
    _number_replacement()
    for table in ("channel_look", "channel_repair", "number_replacement"):
        for statement in protect_tenant_table(table):
            op.execute(statement)


def _channel_look() -> None:
    op.create_table(
        "channel_look",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("look_at", _MOMENT, nullable=False, comment="real time of the next look"),
        sa.Column("looked_at", _MOMENT, comment="real time of the last look that came to an end"),
        sa.Column("trouble", sa.Text(), comment="number_gone, account_suspended, …; null: all is well"),
        sa.Column("waits_on", sa.Text(), comment="studio, twilio or us: who has to act; null: nobody"),
        sa.Column("reason", sa.Text(), comment="what has to be done, as a sentence"),
        sa.Column("troubled_since", _MOMENT, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_channel_look")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_channel_look_workspace_id_workspace")
        ),
        comment="When a studio's channels at the providers were last looked at, and what ails them.",
        info={"kind": "tenant"},
    )
    op.create_index(op.f("ix_channel_look_look_at"), "channel_look", ["look_at"])


def _channel_repair() -> None:
    op.create_table(
        "channel_repair",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False, comment="whatsapp or sms"),
        sa.Column("found", sa.Text(), nullable=False, comment="what differed from ours, in words"),
        sa.Column("attempted_at", _MOMENT, nullable=False, comment="real time"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_channel_repair")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_channel_repair_workspace_id_workspace")
        ),
        comment="Each time that a channel's webhooks were pointed to us again.",
        info={"kind": "tenant"},
    )
    op.create_index(
        op.f("ix_channel_repair_workspace_id_channel_attempted_at"),
        "channel_repair",
        ["workspace_id", "channel", "attempted_at"],
    )


def _number_replacement() -> None:
    op.create_table(
        "number_replacement",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False, comment="what happened to the old number, as a sentence"),
        sa.Column("old_number", sa.Text(), nullable=False, comment="E.164"),
        sa.Column("old_number_sid", sa.Text(), nullable=False, comment="Twilio's id"),
        sa.Column("old_whatsapp_id", sa.Text(), comment="WhatsApp's id; null: it was not on WhatsApp"),
        sa.Column("new_number", sa.Text(), comment="E.164; null: it is not bought yet"),
        sa.Column("new_number_sid", sa.Text(), comment="Twilio's id"),
        sa.Column("new_whatsapp_id", sa.Text(), comment="WhatsApp's id"),
        sa.Column("waits_on", sa.Text(), comment="studio, meta, twilio or us; null: it waits on nobody"),
        sa.Column("wait_reason", sa.Text(), comment="for what, as a sentence"),
        sa.Column("begun_at", _MOMENT, nullable=False, comment="real time"),
        sa.Column("begun_on", sa.Date(), nullable=False, comment="UTC, business time: one may begin on a day"),
        sa.Column("moved_at", _MOMENT, comment="business time when the studio changed over to the new number"),
        sa.Column("ended_at", _MOMENT, comment="business time; null: it is under way"),
        sa.Column("outcome", sa.Text(), comment="replaced, or why it was given up"),
        sa.Column("correlation_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_number_replacement")),
        sa.UniqueConstraint("workspace_id", "begun_on", name=op.f("uq_number_replacement_workspace_id_begun_on")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_number_replacement_workspace_id_workspace")
        ),
        comment="A number that was lost, and the one that takes its place.",
        info={"kind": "tenant"},
    )
    op.create_index(
        "uq_number_replacement_under_way",
        "number_replacement",
        ["workspace_id"],
        unique=True,
        postgresql_where=sa.text("ended_at is null"),
    )
