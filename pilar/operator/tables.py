"""The operator's tables: what the founder's overview and the studios' pages read. What belongs here: their shape.

All of it is made from other rooms' rows and can be made again. No secret is in it: the set-up link is read from
provisioning when somebody follows it. Who is alive is not in it either: a table can't tell that its keeper has died.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, SmallInteger, Text, Uuid

from pilar.database.schema import ANALYTICS, Timestamp, fleet_table, json_column, tenant_table, workspace_key

studio_overview = tenant_table(
    "studio_overview",
    workspace_key(),
    Column("name", Text, nullable=False, comment="the studio's name, as its customer gave it before there is a studio"),
    Column(
        "state",
        Text,
        nullable=False,
        comment="its job's until it opens (running, waiting, failed), then its own (active, suspended, closed)",
    ),
    Column("plan", Text, comment="BASIC or PRO; null: not known yet"),
    Column("country", Text, comment="ISO 3166 alpha-2; null: not known yet"),
    Column("time_zone", Text, comment="IANA name; null: not known yet"),
    Column("phone_number", Text, comment="E.164; null: it has none yet"),
    Column("subscription_status", Text, comment="as Stripe has it: trialing, active, past_due, canceled, …"),
    json_column("integrations", comment="state of each account at a provider, by provider"),
    Column("step", Text, comment="the provisioning step it is at; null: all are done"),
    Column("step_title", Text, comment="the same, as people read it"),
    Column("steps_done", SmallInteger, nullable=False, comment="provisioning steps that are completed"),
    Column("steps_total", SmallInteger, nullable=False, comment="provisioning steps that there are"),
    Column("waits_on", Text, comment="who keeps it waiting: studio, meta, twilio, stripe or us; null: nobody"),
    Column("wait_reason", Text, comment="for what"),
    Column("wait_since", Timestamp, comment="real time since when"),
    Column("wait_title", Text, comment="what waits: the step, or the studio's number"),
    Column("wait_link", Text, comment="where to act; null: on the studio's page"),
    Column("wait_in_vain", Boolean, nullable=False, server_default="false", comment="it has lasted too long"),
    Column("step_error", Text, comment="why the last attempt at that step failed; masked"),
    Column("created_at", Timestamp, nullable=False, comment="business time of the signup"),
    Column("activated_at", Timestamp, comment="business time when it first opened"),
    json_column("activity", comment="the newest sentences told to the studio, newest first: [{at, text}]"),
    Column("refreshed_at", Timestamp, nullable=False, comment="real time when this row was last made"),
    Index(None, "state"),
    schema=ANALYTICS,
    comment="Each studio at a glance, from its signup on.",
)

studio_step = tenant_table(
    "studio_step",
    workspace_key(),
    Column("name", Text, primary_key=True, comment="the provisioning step"),
    Column("title", Text, nullable=False, comment="the same, as people read it"),
    Column("ordinal", SmallInteger, nullable=False, comment="its place in the order of steps"),
    Column("status", Text, nullable=False, comment="pending, in_progress, waiting, completed or failed"),
    Column("attempts", Integer, nullable=False, comment="how often it was attempted"),
    Column("started_at", Timestamp, comment="real time of the first attempt"),
    Column("completed_at", Timestamp, comment="real time"),
    Column("error", Text, comment="why the last attempt failed; masked"),
    Column("waits_on", Text, comment="who keeps it waiting: studio, meta, twilio, stripe or us; null: nobody"),
    Column("wait_reason", Text, comment="for what"),
    Column("wait_since", Timestamp, comment="real time since when"),
    schema=ANALYTICS,
    comment="How each studio is made, step by step.",
)

fleet_overview = fleet_table(
    "fleet_overview",
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("active", Integer, nullable=False, comment="studios that are open for business"),
    Column("running", Integer, nullable=False, comment="studios that are being made"),
    Column("waiting", Integer, nullable=False, comment="studios that wait on somebody while they are made"),
    Column("failed", Integer, nullable=False, comment="studios whose making needs help"),
    Column("suspended", Integer, nullable=False, comment="studios that are suspended"),
    Column("closed", Integer, nullable=False, comment="studios that are closed"),
    Column("open_incidents", Integer, nullable=False, comment="incidents that are open or being looked into"),
    Column("refreshed_at", Timestamp, nullable=False, comment="real time when this row was last made"),
    schema=ANALYTICS,
    comment="The whole fleet in figures: one row.",
)

open_incident = fleet_table(
    "open_incident",
    Column("id", Uuid, primary_key=True, comment="the incident's"),
    Column("workspace_id", Uuid, comment="the studio it concerns; null: the fleet"),
    Column("studio_name", Text, comment="that studio's name; null: the fleet, or not known yet"),
    Column("title", Text, nullable=False, comment="what is the matter; masked"),
    Column("description", Text, nullable=False, comment="the same at more length; masked"),
    Column("severity", Text, nullable=False, comment="low, medium, high or critical"),
    Column("component", Text, nullable=False, comment="the part of the system that it is about"),
    Column("occurrences", Integer, nullable=False, comment="how often it has happened"),
    Column("detected_at", Timestamp, nullable=False, comment="business time of the first occurrence"),
    Column("last_seen_at", Timestamp, nullable=False, comment="business time of the last occurrence"),
    schema=ANALYTICS,
    comment="What is the matter at present; an incident that is resolved is no longer here.",
)
