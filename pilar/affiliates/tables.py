"""The affiliates' tables. What belongs here: their shape.

Money is in minor units of its currency. What a commission is worth now, and whether it is held, payable or paid, is
read from the ledger and stored nowhere else.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
)

from pilar.database.schema import (
    ANALYTICS,
    Timestamp,
    affiliate_key,
    affiliate_table,
    fleet_table,
    tenant_table,
    workspace_key,
)

affiliate_programme = fleet_table(
    "affiliate_programme",
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("rate_basis_points", Integer, nullable=False, comment="share of each payment, in hundredths of a percent"),
    Column("hold_days", Integer, nullable=False, comment="days before a commission can be paid out, 0 to 90"),
    Column("cookie_days", Integer, nullable=False, comment="days after a click in which a signup counts as its doing"),
    Column("reward_months", Integer, nullable=False, comment="months after a signup whose payments earn commission"),
    Column("minimum_payout_minor", BigInteger, nullable=False, comment="the least that is paid out at once"),
    Column("currency", Text, nullable=False, comment="ISO 4217, upper case; of the least payout"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    Column("created_by", Text, nullable=False, comment="the actor, as in the audit log"),
    CheckConstraint("hold_days between 0 and 90", name="hold_days"),
    comment="Each version of the founder's terms for affiliates; an affiliate keeps the version it joined under.",
)

affiliate = affiliate_table(
    "affiliate",
    affiliate_key(),
    Column("person_id", Uuid, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False, comment="pending, verified, rejected or closed"),
    Column("programme_version", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["person_id"], ["person.id"]),
    ForeignKeyConstraint(["programme_version"], ["affiliate_programme.version"]),
    comment="Somebody who brings studios and is paid for it.",
)

affiliate_link = affiliate_table(
    "affiliate_link",
    affiliate_key(),
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False, unique=True, comment="random; the address is /a/<code>"),
    Column("campaign", Text, nullable=False, comment="in the affiliate's words; may be empty"),
    Column("target", Text, nullable=False, comment="path of ours that the link leads to"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    Column("active", Boolean, nullable=False),
    ForeignKeyConstraint(["affiliate_id"], ["affiliate.affiliate_id"]),
    comment="An address that an affiliate spreads.",
)

affiliate_click = affiliate_table(
    "affiliate_click",
    affiliate_key(),
    Column("id", Uuid, primary_key=True, comment="what the checkout carries as its reference"),
    Column("link_id", Uuid, nullable=False),
    Column("clicked_at", Timestamp, nullable=False, comment="business time"),
    Column("visitor_hash", LargeBinary, nullable=False, comment="keyed hash of address, browser and day: no person"),
    Column("referrer_host", Text, comment="the host of the page that the link was on"),
    ForeignKeyConstraint(["affiliate_id", "link_id"], ["affiliate_link.affiliate_id", "affiliate_link.id"]),
    Index(None, "id", unique=True),
    Index(None, "affiliate_id", "link_id"),
    comment="A visit by way of an affiliate's link.",
)

conversion = affiliate_table(
    "conversion",
    affiliate_key(),
    Column("id", Uuid, primary_key=True),
    Column("link_id", Uuid, nullable=False),
    Column("click_id", Uuid, nullable=False),
    Column("stripe_subscription_id", Text, nullable=False, unique=True),
    Column("stripe_customer_id", Text, nullable=False),
    Column("workspace_id", Uuid, comment="the studio, once it is made"),
    Column("converted_at", Timestamp, nullable=False, comment="when the checkout was begun, as Stripe has it"),
    Column("refused_reason", Text, comment="why it earns nothing: self_referral or click_too_old; null: it earns"),
    ForeignKeyConstraint(["affiliate_id", "link_id"], ["affiliate_link.affiliate_id", "affiliate_link.id"]),
    ForeignKeyConstraint(["affiliate_id", "click_id"], ["affiliate_click.affiliate_id", "affiliate_click.id"]),
    Index(None, "affiliate_id", "link_id"),
    Index(None, "workspace_id"),
    comment="A signup that came by an affiliate's link.",
)

commission = affiliate_table(
    "commission",
    affiliate_key(),
    Column("id", Uuid, primary_key=True),
    Column("conversion_id", Uuid, nullable=False),
    Column("workspace_id", Uuid, comment="the studio, once it is made"),
    Column("stripe_invoice_id", Text, nullable=False, unique=True),
    Column("base_minor", BigInteger, nullable=False, comment="what was paid"),
    Column("refunded_minor", BigInteger, nullable=False, comment="what has gone back since: refunds, lost disputes"),
    Column("currency", Text, nullable=False, comment="ISO 4217, upper case"),
    Column("rate_basis_points", Integer, nullable=False, comment="as the programme had it"),
    Column("amount_minor", BigInteger, nullable=False, comment="the commission before anything went back"),
    Column("held_until", Timestamp, nullable=False, comment="business time; payable from then on"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    Column("read_at", Timestamp, nullable=False, comment="real time when Stripe was asked what has gone back"),
    ForeignKeyConstraint(["affiliate_id", "conversion_id"], ["conversion.affiliate_id", "conversion.id"]),
    Index(None, "affiliate_id", "conversion_id"),
    Index(None, "workspace_id", "held_until"),
    comment="What an affiliate earned by one paid invoice.",
)

ledger_entry = affiliate_table(
    "ledger_entry",
    affiliate_key(),
    Column("id", Uuid, primary_key=True),
    Column("transaction_id", Uuid, nullable=False, comment="entries of one transaction sum to zero"),
    Column("account", Text, nullable=False, comment="programme_expense, held, payable or paid_out"),
    Column("amount_minor", BigInteger, nullable=False, comment="signed: what the account gains"),
    Column("currency", Text, nullable=False, comment="ISO 4217, upper case"),
    Column("commission_id", Uuid, comment="null: a payout, which is of many"),
    Column("kind", Text, nullable=False, comment="earned, matured, clawed_back, restored or paid"),
    Column("cause", Text, nullable=False, comment="what it was posted for, once"),
    Column("posted_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["affiliate_id"], ["affiliate.affiliate_id"]),
    ForeignKeyConstraint(["affiliate_id", "commission_id"], ["commission.affiliate_id", "commission.id"]),
    UniqueConstraint("affiliate_id", "cause", "account"),
    Index(None, "affiliate_id", "commission_id"),
    comment="The affiliates' accounts, by double entry; append-only.",
)

workspace_commission = tenant_table(
    "workspace_commission",
    workspace_key(),
    Column("affiliate_id", Uuid, primary_key=True, comment="whose link the studio came by"),
    Column("currency", Text, primary_key=True, comment="ISO 4217, upper case; all amounts are in its minor units"),
    Column("invoices", Integer, nullable=False, comment="paid invoices that earned commission"),
    Column("base_minor", BigInteger, nullable=False, comment="what was paid with them"),
    Column("earned_minor", BigInteger, nullable=False, comment="commission before anything went back"),
    Column("held_minor", BigInteger, nullable=False, comment="commission still in its holding period"),
    Column("payable_minor", BigInteger, nullable=False, comment="commission past its holding period, paid out or not"),
    Column("clawed_back_minor", BigInteger, nullable=False, comment="commission taken back after refunds and disputes"),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="What each studio's payments have earned the affiliate who brought it.",
)

affiliate_balance = fleet_table(
    "affiliate_balance",
    Column("affiliate_id", Uuid, primary_key=True, comment="the affiliate"),
    Column("currency", Text, primary_key=True, comment="ISO 4217, upper case; all amounts are in its minor units"),
    Column("name", Text, nullable=False, comment="the affiliate's name"),
    Column("clicks", BigInteger, nullable=False, comment="clicks on all links"),
    Column("conversions", BigInteger, nullable=False, comment="signups that earn"),
    Column("earned_minor", BigInteger, nullable=False, comment="commission before anything went back"),
    Column("held_minor", BigInteger, nullable=False, comment="commission still in its holding period"),
    Column("payable_minor", BigInteger, nullable=False, comment="to be paid out; negative: to be set off"),
    Column("clawed_back_minor", BigInteger, nullable=False, comment="commission taken back after refunds and disputes"),
    Column("paid_minor", BigInteger, nullable=False, comment="commission paid out"),
    Column("refreshed_at", Timestamp, nullable=False, comment="business time"),
    schema=ANALYTICS,
    comment="How each affiliate stands, by currency.",
)
