"""Tables of workspaces and the people in them. What belongs here: their shape."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Index, Integer, LargeBinary, Text, Uuid, text

from pilar.database.schema import Timestamp, fleet_table, json_column, tenant_table, workspace_key

workspace = tenant_table(
    "workspace",
    workspace_key(),
    Column("name", Text, nullable=False, comment="the studio's name"),
    Column("state", Text, nullable=False, comment="provisioning, active, suspended or closed"),
    Column("plan", Text, nullable=False, comment="BASIC or PRO"),
    Column("country", Text, nullable=False, comment="ISO 3166 alpha-2"),
    Column("time_zone", Text, nullable=False, comment="IANA name"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    Column("activated_at", Timestamp, comment="business time"),
    Index(None, "state"),
    comment="A fitness studio: the tenant that everything else belongs to.",
)

person = fleet_table(
    "person",
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False, comment="lower case"),
    Column("name", Text, nullable=False),
    Column("phone", Text, comment="E.164"),
    Column("is_founder", Boolean, nullable=False, server_default=text("false")),
    Column("password_hash", Text, comment="argon2id; null: signs in by link"),
    Column("affiliate_id", Uuid, comment="the affiliate that this person is; null: none"),
    Column("created_at", Timestamp, nullable=False, comment="real time"),
    Index(None, "email", unique=True),
    comment="Somebody who can sign in: the founder, owners, members, affiliates.",
)

membership = tenant_table(
    "membership",
    workspace_key(),
    Column("person_id", Uuid, primary_key=True),
    Column("role", Text, nullable=False, comment="owner or member"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    ForeignKeyConstraint(["person_id"], ["person.id"]),
    Index(None, "person_id"),
    comment="Who works in a studio, and as what.",
)

subscription = tenant_table(
    "subscription",
    workspace_key(),
    Column("stripe_subscription_id", Text, nullable=False, unique=True),
    Column("stripe_customer_id", Text, nullable=False),
    Column("status", Text, nullable=False, comment="as Stripe has it: trialing, active, past_due, canceled, …"),
    Column("plan", Text, nullable=False, comment="BASIC or PRO"),
    Column("amount_minor", BigInteger, nullable=False, comment="price per period in minor units"),
    Column("currency", Text, nullable=False, comment="ISO 4217, upper case"),
    Column("current_period_end", Timestamp, comment="as Stripe has it"),
    Column("cancel_at_period_end", Boolean, nullable=False),
    Column("read_at", Timestamp, nullable=False, comment="real time when Stripe was last asked"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    comment="What the studio pays, as Stripe told when it was last asked.",
)

studio_standing = tenant_table(
    "studio_standing",
    workspace_key(),
    Column("standing", Text, nullable=False, comment="trial, active, past_due, suspended, cancelled or closed"),
    Column("since", Timestamp, nullable=False, comment="business time from when on it stands so, by the rule"),
    Column("in_force_since", Timestamp, nullable=False, comment="business time when we began to treat it so"),
    Column("begun_at", Timestamp, nullable=False, comment="when the present period began, as Stripe has it"),
    Column("owed_since", Timestamp, comment="when the oldest open invoice fell due, as Stripe has it"),
    Column("owed_invoice", Text, comment="that invoice's id at Stripe"),
    Column("ended_at", Timestamp, comment="when the subscription ended, as Stripe has it"),
    Column("extended_until", Timestamp, comment="business time until which the founder gives time to pay"),
    Column("grace_until", Timestamp, comment="business time until which a payment that is owed is waited for"),
    Column("closes_at", Timestamp, comment="business time when it is closed if nothing changes"),
    Column("changes_at", Timestamp, comment="business time when time alone changes how it stands"),
    Column("closed_at", Timestamp, comment="business time when it was closed, for good"),
    Column("released_at", Timestamp, comment="business time when its number and accounts were given back"),
    Column("erase_at", Timestamp, comment="business time when its data is erased"),
    Column("erased_at", Timestamp, comment="business time when its data was erased"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    Index(None, "changes_at"),
    Index(None, "erase_at"),
    comment="How a studio stands by its subscription, and until when.",
)

workspace_configuration = tenant_table(
    "workspace_configuration",
    workspace_key(),
    Column("version", Integer, primary_key=True, autoincrement=False),
    json_column("document", comment="the whole configuration, validated"),
    Column("changed_by", Text, nullable=False, comment="the actor, as in the audit log"),
    Column("note", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    comment="Each version of a studio's configuration; the highest is in force, the others are known good.",
)

integration = tenant_table(
    "integration",
    workspace_key(),
    Column("provider", Text, primary_key=True, comment="twilio or whatsapp"),
    Column("state", Text, nullable=False, comment="pending, connected, failed or closed"),
    Column("external_id", Text, comment="the provider's id of the account: subaccount SID, WABA id"),
    Column("phone_number", Text, comment="E.164"),
    Column("phone_number_id", Text, comment="the provider's id of the number"),
    Column("sealed_credentials", LargeBinary, comment="encrypted with PILAR_SECRET_KEYS"),
    json_column("details", comment="what else is known, without secrets"),
    Column("updated_at", Timestamp, nullable=False, comment="real time"),
    ForeignKeyConstraint(["workspace_id"], ["workspace.workspace_id"]),
    Index(None, "provider", "external_id"),
    Index(None, "provider", "phone_number"),
    Index(None, "provider", "phone_number_id"),
    comment="A studio's accounts at the providers.",
)
