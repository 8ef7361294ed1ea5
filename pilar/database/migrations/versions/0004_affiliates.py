"""Affiliates: links, clicks, conversions, commissions and their ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_affiliate_table, protect_analytics_table, protect_fleet_table

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

AFFILIATE = (
    "affiliate",
    "affiliate_click",
    "affiliate_link",
    "commission",
    "conversion",
    "ledger_entry",
)


def upgrade() -> None:
    """Make tables, policies and grants; let a person be an affiliate."""
    _create_tables()
    for table in AFFILIATE:
        for statement in protect_affiliate_table(table):
            op.execute(statement)
    for statement in (
        *protect_fleet_table("affiliate_programme"),
        *protect_analytics_table("analytics.workspace_commission", tenant=True),
        *protect_analytics_table("analytics.affiliate_balance", tenant=False),
    ):
        op.execute(statement)
    # The books are append-only, whoever asks.
    op.execute("revoke update, delete on ledger_entry from pilar_system")


def _create_tables() -> None:
    op.create_table(
        "affiliate_programme",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "rate_basis_points",
            sa.Integer(),
            nullable=False,
            comment="share of each payment, in hundredths of a percent",
        ),
        sa.Column(
            "hold_days", sa.Integer(), nullable=False, comment="days before a commission can be paid out, 0 to 90"
        ),
        sa.Column(
            "cookie_days",
            sa.Integer(),
            nullable=False,
            comment="days after a click in which a signup counts as its doing",
        ),
        sa.Column(
            "reward_months",
            sa.Integer(),
            nullable=False,
            comment="months after a signup whose payments earn commission",
        ),
        sa.Column(
            "minimum_payout_minor", sa.BigInteger(), nullable=False, comment="the least that is paid out at once"
        ),
        sa.Column("currency", sa.Text(), nullable=False, comment="ISO 4217, upper case; of the least payout"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("created_by", sa.Text(), nullable=False, comment="the actor, as in the audit log"),
        sa.CheckConstraint("hold_days between 0 and 90", name=op.f("ck_affiliate_programme_hold_days")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_affiliate_programme")),
        comment="Each version of the founder's terms for affiliates; an affiliate keeps the version it joined under.",
        info={"kind": "fleet"},
    )
    op.create_table(
        "affiliate_balance",
        sa.Column("affiliate_id", sa.Uuid(), nullable=False, comment="the affiliate"),
        sa.Column(
            "currency", sa.Text(), nullable=False, comment="ISO 4217, upper case; all amounts are in its minor units"
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="the affiliate's name"),
        sa.Column("clicks", sa.BigInteger(), nullable=False, comment="clicks on all links"),
        sa.Column("conversions", sa.BigInteger(), nullable=False, comment="signups that earn"),
        sa.Column("earned_minor", sa.BigInteger(), nullable=False, comment="commission before anything went back"),
        sa.Column("held_minor", sa.BigInteger(), nullable=False, comment="commission still in its holding period"),
        sa.Column("payable_minor", sa.BigInteger(), nullable=False, comment="to be paid out; negative: to be set off"),
        sa.Column(
            "clawed_back_minor",
            sa.BigInteger(),
            nullable=False,
            comment="commission taken back after refunds and disputes",
        ),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False, comment="commission paid out"),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("affiliate_id", "currency", name=op.f("pk_affiliate_balance")),
        schema="analytics",
        comment="How each affiliate stands, by currency.",
        info={"kind": "fleet"},
    )
    op.create_table(
        "workspace_commission",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("affiliate_id", sa.Uuid(), nullable=False, comment="whose link the studio came by"),
        sa.Column(
            "currency", sa.Text(), nullable=False, comment="ISO 4217, upper case; all amounts are in its minor units"
        ),
        sa.Column("invoices", sa.Integer(), nullable=False, comment="paid invoices that earned commission"),
        sa.Column("base_minor", sa.BigInteger(), nullable=False, comment="what was paid with them"),
        sa.Column("earned_minor", sa.BigInteger(), nullable=False, comment="commission before anything went back"),
        sa.Column("held_minor", sa.BigInteger(), nullable=False, comment="commission still in its holding period"),
        sa.Column(
            "payable_minor",
            sa.BigInteger(),
            nullable=False,
            comment="commission past its holding period, paid out or not",
        ),
        sa.Column(
            "clawed_back_minor",
            sa.BigInteger(),
            nullable=False,
            comment="commission taken back after refunds and disputes",
        ),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "affiliate_id", "currency", name=op.f("pk_workspace_commission")),
        schema="analytics",
        comment="What each studio's payments have earned the affiliate who brought it.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "affiliate",
        sa.Column("affiliate_id", sa.Uuid(), nullable=False, comment="the affiliate that owns the row"),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="pending, verified, rejected or closed"),
        sa.Column("programme_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_affiliate_person_id_person")),
        sa.ForeignKeyConstraint(
            ["programme_version"],
            ["affiliate_programme.version"],
            name=op.f("fk_affiliate_programme_version_affiliate_programme"),
        ),
        sa.PrimaryKeyConstraint("affiliate_id", name=op.f("pk_affiliate")),
        sa.UniqueConstraint("person_id", name=op.f("uq_affiliate_person_id")),
        comment="Somebody who brings studios and is paid for it.",
        info={"kind": "affiliate"},
    )
    op.create_table(
        "affiliate_link",
        sa.Column("affiliate_id", sa.Uuid(), nullable=False, comment="the affiliate that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False, comment="random; the address is /a/<code>"),
        sa.Column("campaign", sa.Text(), nullable=False, comment="in the affiliate's words; may be empty"),
        sa.Column("target", sa.Text(), nullable=False, comment="path of ours that the link leads to"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["affiliate_id"], ["affiliate.affiliate_id"], name=op.f("fk_affiliate_link_affiliate_id_affiliate")
        ),
        sa.PrimaryKeyConstraint("affiliate_id", "id", name=op.f("pk_affiliate_link")),
        sa.UniqueConstraint("code", name=op.f("uq_affiliate_link_code")),
        comment="An address that an affiliate spreads.",
        info={"kind": "affiliate"},
    )
    op.create_table(
        "affiliate_click",
        sa.Column("affiliate_id", sa.Uuid(), nullable=False, comment="the affiliate that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False, comment="what the checkout carries as its reference"),
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("clicked_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column(
            "visitor_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="keyed hash of address, browser and day: no person",
        ),
        sa.Column("referrer_host", sa.Text(), nullable=True, comment="the host of the page that the link was on"),
        sa.ForeignKeyConstraint(
            ["affiliate_id", "link_id"],
            ["affiliate_link.affiliate_id", "affiliate_link.id"],
            name=op.f("fk_affiliate_click_affiliate_id_link_id_affiliate_link"),
        ),
        sa.PrimaryKeyConstraint("affiliate_id", "id", name=op.f("pk_affiliate_click")),
        comment="A visit by way of an affiliate's link.",
        info={"kind": "affiliate"},
    )
    op.create_index(
        op.f("ix_affiliate_click_affiliate_id_link_id"), "affiliate_click", ["affiliate_id", "link_id"], unique=False
    )
    op.create_index(op.f("ix_affiliate_click_id"), "affiliate_click", ["id"], unique=True)
    op.create_table(
        "conversion",
        sa.Column("affiliate_id", sa.Uuid(), nullable=False, comment="the affiliate that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("click_id", sa.Uuid(), nullable=False),
        sa.Column("stripe_subscription_id", sa.Text(), nullable=False),
        sa.Column("stripe_customer_id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=True, comment="the studio, once it is made"),
        sa.Column(
            "converted_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the checkout was begun, as Stripe has it",
        ),
        sa.Column(
            "refused_reason",
            sa.Text(),
            nullable=True,
            comment="why it earns nothing: self_referral or click_too_old; null: it earns",
        ),
        sa.ForeignKeyConstraint(
            ["affiliate_id", "click_id"],
            ["affiliate_click.affiliate_id", "affiliate_click.id"],
            name=op.f("fk_conversion_affiliate_id_click_id_affiliate_click"),
        ),
        sa.ForeignKeyConstraint(
            ["affiliate_id", "link_id"],
            ["affiliate_link.affiliate_id", "affiliate_link.id"],
            name=op.f("fk_conversion_affiliate_id_link_id_affiliate_link"),
        ),
        sa.PrimaryKeyConstraint("affiliate_id", "id", name=op.f("pk_conversion")),
        sa.UniqueConstraint("stripe_subscription_id", name=op.f("uq_conversion_stripe_subscription_id")),
        comment="A signup that came by an affiliate's link.",
        info={"kind": "affiliate"},
    )
    op.create_index(op.f("ix_conversion_affiliate_id_link_id"), "conversion", ["affiliate_id", "link_id"], unique=False)
    op.create_index(op.f("ix_conversion_workspace_id"), "conversion", ["workspace_id"], unique=False)
    op.create_table(
        "commission",
        sa.Column("affiliate_id", sa.Uuid(), nullable=False, comment="the affiliate that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversion_id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=True, comment="the studio, once it is made"),
        sa.Column("stripe_invoice_id", sa.Text(), nullable=False),
        sa.Column("base_minor", sa.BigInteger(), nullable=False, comment="what was paid"),
        sa.Column(
            "refunded_minor",
            sa.BigInteger(),
            nullable=False,
            comment="what has gone back since: refunds, lost disputes",
        ),
        sa.Column("currency", sa.Text(), nullable=False, comment="ISO 4217, upper case"),
        sa.Column("rate_basis_points", sa.Integer(), nullable=False, comment="as the programme had it"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False, comment="the commission before anything went back"),
        sa.Column(
            "held_until", sa.DateTime(timezone=True), nullable=False, comment="business time; payable from then on"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column(
            "read_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="real time when Stripe was asked what has gone back",
        ),
        sa.ForeignKeyConstraint(
            ["affiliate_id", "conversion_id"],
            ["conversion.affiliate_id", "conversion.id"],
            name=op.f("fk_commission_affiliate_id_conversion_id_conversion"),
        ),
        sa.PrimaryKeyConstraint("affiliate_id", "id", name=op.f("pk_commission")),
        sa.UniqueConstraint("stripe_invoice_id", name=op.f("uq_commission_stripe_invoice_id")),
        comment="What an affiliate earned by one paid invoice.",
        info={"kind": "affiliate"},
    )
    op.create_index(
        op.f("ix_commission_affiliate_id_conversion_id"), "commission", ["affiliate_id", "conversion_id"], unique=False
    )
    op.create_index(
        op.f("ix_commission_workspace_id_held_until"), "commission", ["workspace_id", "held_until"], unique=False
    )
    op.create_table(
        "ledger_entry",
        sa.Column("affiliate_id", sa.Uuid(), nullable=False, comment="the affiliate that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False, comment="entries of one transaction sum to zero"),
        sa.Column("account", sa.Text(), nullable=False, comment="programme_expense, held, payable or paid_out"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False, comment="signed: what the account gains"),
        sa.Column("currency", sa.Text(), nullable=False, comment="ISO 4217, upper case"),
        sa.Column("commission_id", sa.Uuid(), nullable=True, comment="null: a payout, which is of many"),
        sa.Column("kind", sa.Text(), nullable=False, comment="earned, matured, clawed_back, restored or paid"),
        sa.Column("cause", sa.Text(), nullable=False, comment="what it was posted for, once"),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.ForeignKeyConstraint(
            ["affiliate_id", "commission_id"],
            ["commission.affiliate_id", "commission.id"],
            name=op.f("fk_ledger_entry_affiliate_id_commission_id_commission"),
        ),
        sa.ForeignKeyConstraint(
            ["affiliate_id"], ["affiliate.affiliate_id"], name=op.f("fk_ledger_entry_affiliate_id_affiliate")
        ),
        sa.PrimaryKeyConstraint("affiliate_id", "id", name=op.f("pk_ledger_entry")),
        sa.UniqueConstraint(
            "affiliate_id", "cause", "account", name=op.f("uq_ledger_entry_affiliate_id_cause_account")
        ),
        comment="The affiliates' accounts, by double entry; append-only.",
        info={"kind": "affiliate"},
    )
    op.create_index(
        op.f("ix_ledger_entry_affiliate_id_commission_id"),
        "ledger_entry",
        ["affiliate_id", "commission_id"],
        unique=False,
    )
    op.add_column(
        "person",
        sa.Column("affiliate_id", sa.Uuid(), nullable=True, comment="the affiliate that this person is; null: none"),
    )
    op.create_table_comment(
        "person",
        "Somebody who can sign in: the founder, owners, members, affiliates.",
        existing_comment="Somebody who can sign in: the founder, owners, members.",
        schema=None,
    )
