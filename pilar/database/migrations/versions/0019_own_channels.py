"""A studio's own number or account, purchases by day, WhatsApp's prerequisites, and parents that are set aside."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_fleet_table, protect_tenant_table

revision = "0019"
down_revision = "0024"
branch_labels = None
depends_on = None

TENANT = ("own_channel", "number_purchase", "code_request", "whatsapp_prerequisite")
FLEET = ("twilio_parent",)

# What was bought before purchases were kept was bought on the day of its attempt.
BOUGHT_BEFORE = """
insert into number_purchase (workspace_id, day, effect_key, intended_at)
select workspace_id, (attempted_at at time zone 'UTC')::date, key, attempted_at from effect
where kind = 'twilio.buy_number' and attempted_at is not null and workspace_id is not null
on conflict do nothing
"""


def upgrade() -> None:
    """Add the tables, and note what was bought so far."""
    op.execute("set local lock_timeout = '10s'")
    _own_numbers()
    _purchases()
    _prerequisites()
    for table in TENANT:
        for statement in protect_tenant_table(table):
            op.execute(statement)
    for table in FLEET:
        for statement in protect_fleet_table(table):
            op.execute(statement)
    op.execute(BOUGHT_BEFORE)


def _studio() -> sa.Column[object]:
    return sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row")


def _own_numbers() -> None:
    op.create_table(
        "own_channel",
        _studio(),
        sa.Column(
            "brings", sa.Text(), nullable=False, comment="number, or account: a WhatsApp account with its number"
        ),
        sa.Column("phone_number", sa.Text(), comment="E.164; null: not known yet"),
        sa.Column("told_by", sa.Text(), nullable=False, comment="the actor, as in the audit log"),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_own_channel")),
        comment="What a studio brings along: none is bought for it, and closing gives none back; no row: nothing.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "code_request",
        _studio(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("phone_number", sa.Text(), nullable=False, comment="E.164"),
        sa.Column("method", sa.Text(), nullable=False, comment="sms or voice"),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("state", sa.Text(), nullable=False, comment="asked, sent or refused"),
        sa.Column(
            "tried", sa.Integer(), server_default="0", nullable=False, comment="codes that were told to Meta before"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_code_request")),
        comment="Codes that WhatsApp was asked to send: by owners to a telephone of theirs, by us to a number of ours.",
        info={"kind": "tenant"},
    )


def _purchases() -> None:
    op.create_table(
        "number_purchase",
        _studio(),
        sa.Column("day", sa.Date(), nullable=False, comment="of business time, UTC"),
        sa.Column("effect_key", sa.Text(), nullable=False, comment="of the effect that buys"),
        sa.Column("intended_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("lost_at", sa.DateTime(timezone=True), comment="business time when it was found gone"),
        sa.PrimaryKeyConstraint("workspace_id", "day", name=op.f("pk_number_purchase")),
        sa.UniqueConstraint("workspace_id", "effect_key", name=op.f("uq_number_purchase_workspace_id_effect_key")),
        comment="Numbers that were bought or are about to be: one per studio and day at most.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "twilio_parent",
        sa.Column("parent_sid", sa.Text(), nullable=False),
        sa.Column("set_aside_at", sa.DateTime(timezone=True), nullable=False, comment="real time"),
        sa.Column("reason", sa.Text(), nullable=False, comment="what Twilio said"),
        sa.PrimaryKeyConstraint("parent_sid", name=op.f("pk_twilio_parent")),
        comment="Accounts of ours at Twilio that take no new studio for a while.",
        info={"kind": "fleet"},
    )


def _prerequisites() -> None:
    op.create_table(
        "whatsapp_prerequisite",
        _studio(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="met, pending, missing, rejected or unknown"),
        sa.Column("blocks", sa.Boolean(), nullable=False, comment="whether the studio can't send before it is met"),
        sa.Column("waits_on", sa.Text(), comment="studio, meta or us; null: on nobody"),
        sa.Column("says", sa.Text(), nullable=False, comment="how it stands, as a sentence"),
        sa.Column("link", sa.Text(), comment="where to act"),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False, comment="real time when WhatsApp said so"),
        sa.PrimaryKeyConstraint("workspace_id", "name", name=op.f("pk_whatsapp_prerequisite")),
        comment="What WhatsApp wants of a studio before its number may write, one by one, as it stood last.",
        info={"kind": "tenant"},
    )
