"""Provisioning's tables. What belongs here: their shape.

A job exists before its studio does (the studio is made by one of its steps), so these tables carry the studio's id
from the start without a foreign key to it.
"""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKeyConstraint, Index, Integer, LargeBinary, SmallInteger, Text, Uuid, text

from pilar.database.schema import Timestamp, json_column, tenant_table, workspace_key

provisioning_job = tenant_table(
    "provisioning_job",
    workspace_key(),
    Column("id", Uuid, primary_key=True),
    Column("steps_version", SmallInteger, nullable=False, comment="which list of steps it was begun with"),
    json_column(
        "begun_with", nullable=True, comment="names of the steps it was begun with; null: of before it was kept"
    ),
    Column(
        "state",
        Text,
        nullable=False,
        comment="running, waiting, failed, expired (waited in vain), completed, undoing or undone",
    ),
    Column("undo_reason", Text, comment="why it is taken back; null: it is not"),
    Column("stripe_subscription_id", Text, nullable=False, unique=True, comment="the payment it answers"),
    Column("stripe_customer_id", Text, nullable=False),
    Column("correlation_id", Uuid, nullable=False),
    Column("setup_token_hash", LargeBinary, nullable=False, unique=True, comment="finds the job by its set-up link"),
    Column("sealed_setup_token", LargeBinary, nullable=False, comment="encrypted, so that the link can be sent again"),
    Column("sealed_setup_code", LargeBinary, comment="what Meta gave the studio to hand to us; used once"),
    Column("setup_round", Integer, nullable=False, comment="how often the studio had to be asked anew"),
    Column("created_at", Timestamp, nullable=False, comment="business time"),
    Column("completed_at", Timestamp, comment="business time"),
    Index(None, "state"),
    comment="How a studio comes into being: one job per paid subscription.",
)

provisioning_step = tenant_table(
    "provisioning_step",
    workspace_key(),
    Column("job_id", Uuid, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("ordinal", SmallInteger, nullable=False),
    Column("title", Text, comment="as people read it; null: of before titles were kept"),
    Column(
        "status",
        Text,
        nullable=False,
        comment="pending, in_progress, waiting, expired, completed, failed, undone, or retired: not among the steps any"
        " more",
    ),
    Column("attempts", Integer, nullable=False),
    Column("started_at", Timestamp, comment="real time of the first attempt"),
    Column("completed_at", Timestamp, comment="real time"),
    Column("error", Text, comment="masked; of the last attempt"),
    json_column("result", nullable=True, comment="what later steps need"),
    Column("waits_on", Text, comment="studio, meta, twilio, stripe or us"),
    Column("wait_reason", Text),
    Column("wait_since", Timestamp, comment="real time"),
    Column("wait_link", Text, comment="where to act; null: nowhere, or by the set-up link, which is a secret"),
    Column("wait_round", Integer, nullable=False, server_default=text("0"), comment="how often it has begun to wait"),
    Column("waits_from", Timestamp, comment="business time when this wait began"),
    Column("waits_for", Text, comment="the fact that ends this wait"),
    Column("reminders", SmallInteger, nullable=False, server_default=text("0"), comment="of this wait, so far"),
    Column("remind_at", Timestamp, comment="business time of the next reminder; null: none is left"),
    Column("look_at", Timestamp, comment="business time when it looks for itself whether it can go on"),
    Column("expires_at", Timestamp, comment="business time when this wait is given up"),
    Column(
        "begun_at", Timestamp, comment="business time of the first attempt; null: none yet, or of before it was kept"
    ),
    Column("ended_at", Timestamp, comment="business time when it was completed"),
    Column(
        "waited_seconds",
        Double,
        nullable=False,
        server_default=text("0"),
        comment="of business time, in those of its waits that are over",
    ),
    Column("woken_by", Text, comment="what last let it look again"),
    Column("woken_at", Timestamp, comment="real time"),
    ForeignKeyConstraint(["workspace_id", "job_id"], ["provisioning_job.workspace_id", "provisioning_job.id"]),
    Index(None, "waits_on", "wait_since"),
    Index(None, "remind_at", postgresql_where=text("remind_at is not null")),
    Index(None, "look_at", postgresql_where=text("look_at is not null")),
    Index(None, "expires_at", postgresql_where=text("expires_at is not null")),
    comment="Each step of a provisioning job: where it stands, and who keeps it waiting.",
)

verification_code = tenant_table(
    "verification_code",
    workspace_key(),
    Column("message_id", Text, primary_key=True, comment="the SMS it came in"),
    Column("sealed_code", LargeBinary, nullable=False, comment="encrypted"),
    Column("received_at", Timestamp, nullable=False, comment="real time"),
    Column("used_at", Timestamp, comment="real time"),
    comment="Codes that WhatsApp sent to a studio's number to see whose it is.",
)
