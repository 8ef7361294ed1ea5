"""The backplane's tables of facts and of its smaller ideas. What belongs here: their shape, no SQL.

Facts last and work does not, so they are apart: `inbox`, `autopilot_event` and `autopilot_job` are append-only and
share one sequence of positions; the work on them is in `queue_tables.py`.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Computed,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from pilar.database.schema import (
    Timestamp,
    fleet_table,
    json_column,
    metadata,
    mixed_table,
    tenant_table,
)

# It tells facts apart, and which came first only roughly: connections draw by the fifty, and commit when they do.
# Nobody may read on upwards from a position; lists go downwards, and what is forgotten is judged by its age.
fact_position = Sequence("fact_position", metadata=metadata, data_type=BigInteger, cache=50)


def _position() -> Column[int]:
    return Column(
        "position",
        BigInteger,
        server_default=fact_position.next_value(),
        primary_key=True,
        autoincrement=False,
        comment="internal key, one sequence for all facts",
    )


def _workspace() -> Column[object]:
    return Column("workspace_id", Uuid, nullable=True, comment="the studio it concerns; null: the fleet")


inbox = fleet_table(
    "inbox",
    _position(),
    Column("id", Uuid, nullable=False, unique=True, comment="public id"),
    Column("provider", Text, nullable=False, comment="who knocked: stripe, twilio, whatsapp"),
    Column("external_id", Text, nullable=False, comment="the provider's id of the delivery, or a hash of its body"),
    _workspace(),
    json_column("headers", comment="headers that the handler needs, without secrets"),
    Column("body", LargeBinary, nullable=False, comment="the body, byte by byte"),
    Column("received_at", Timestamp, nullable=False, comment="real time"),
    UniqueConstraint("provider", "external_id"),
    Index(None, "received_at", "position"),
    comment="Each webhook delivery that was answered 200, as it came.",
)

inbox_subject = fleet_table(
    "inbox_subject",
    Column("subject", BigInteger, primary_key=True, autoincrement=False, comment="a digest: see backplane/subjects.py"),
    Column("position", BigInteger, primary_key=True, autoincrement=False, comment="the delivery that names it"),
    # Rows come in the order of positions, so a summary of each range of pages finds those of a delivery.
    Index(None, "position", postgresql_using="brin"),
    comment="What deliveries name (ids, numbers, addresses), as digests: noted when one is worked on, gone with it.",
)

inbox_replay = fleet_table(
    "inbox_replay",
    Column("position", BigInteger, primary_key=True, autoincrement=False, comment="the delivery"),
    Column("replayed_at", Timestamp, primary_key=True, comment="real time"),
    Column("replayed_by", Text, nullable=False, comment="actor, as in the audit log"),
    comment="Which deliveries somebody had worked on again; gone with the delivery.",
)

autopilot_event = mixed_table(
    "autopilot_event",
    _position(),
    Column("id", Uuid, nullable=False, unique=True, comment="public id (UUIDv7)"),
    _workspace(),
    Column("aggregate_type", Text, nullable=False, comment="what the event is about: lead, workspace, …"),
    Column("aggregate_id", Text, nullable=False, comment="which one"),
    Column("type", Text, nullable=False),
    Column("version", SmallInteger, nullable=False, comment="version of the payload's shape"),
    json_column("payload", comment="references, never personal data"),
    Column("max_attempts", SmallInteger, comment="of each of its handlers; null: recorded before it was kept"),
    Column("causation_id", Uuid, comment="the fact that caused this one"),
    Column("correlation_id", Uuid, nullable=False, comment="groups what belongs to one story"),
    Column("idempotency_key", Text, nullable=False),
    Column("occurred_at", Timestamp, nullable=False, comment="business time"),
    Column("recorded_at", Timestamp, nullable=False, comment="real time"),
    Index(None, "workspace_id", "position"),
    Index(None, "correlation_id"),
    Index(None, "aggregate_id", "position"),
    comment="Facts: what happened, append-only.",
)

autopilot_job = mixed_table(
    "autopilot_job",
    _position(),
    Column("id", Uuid, nullable=False, unique=True, comment="public id (UUIDv7)"),
    _workspace(),
    Column("type", Text, nullable=False),
    Column("version", SmallInteger, nullable=False, comment="version of the payload's shape"),
    json_column("payload", comment="references, never personal data"),
    Column("priority", SmallInteger, nullable=False, comment="higher goes first"),
    Column("max_attempts", SmallInteger, nullable=False),
    Column("causation_id", Uuid, comment="the fact that caused this one"),
    Column("correlation_id", Uuid, nullable=False, comment="groups what belongs to one story"),
    Column("idempotency_key", Text, nullable=False),
    Column("recorded_at", Timestamp, nullable=False, comment="real time"),
    Index(None, "workspace_id", "position"),
    Index(None, "correlation_id"),
    comment="Commands: what was asked to be done, append-only.",
)

idempotency_key = fleet_table(
    "idempotency_key",
    Column("workspace_id", Uuid, primary_key=True, comment="all zeros: the fleet"),
    Column("digest", LargeBinary, primary_key=True, comment="of kind, type and key; see pilar_key_digest"),
    Column("position", BigInteger, nullable=False, comment="the fact it stands for"),
    Column("recorded_at", Timestamp, nullable=False, comment="real time"),
    # Rows come in the order of time, so a summary of each range of pages finds the old ones.
    Index(None, "recorded_at", postgresql_using="brin"),
    comment="Which facts are already there, apart from them, so that facts can be dropped by age.",
)

effect = mixed_table(
    "effect",
    Column("id", Uuid, primary_key=True),
    _workspace(),
    Column("kind", Text, nullable=False, comment="what is done outside: twilio.buy_number, mail.send, …"),
    Column("key", Text, nullable=False, comment="the same key is the same effect"),
    Column("state", Text, nullable=False, comment="intent, attempted, confirmed, failed or unknown"),
    Column("attempts", Integer, nullable=False),
    json_column("request", comment="masked"),
    json_column("response", nullable=True, comment="what later steps need, without secrets"),
    Column("error", Text, comment="masked"),
    Column("correlation_id", Uuid),
    Column("attempt_until", Timestamp, comment="real time; the attempt may be under way until then"),
    Column("created_at", Timestamp, nullable=False, comment="real time"),
    Column("attempted_at", Timestamp, comment="real time; committed before the call"),
    Column("settled_at", Timestamp, comment="real time"),
    Column("settled_by", Text, comment="callback, look_up, or the actor who decided; null: the call's own answer"),
    Column("note", Text, comment="masked; why somebody decided as they did"),
    Column("risks", SmallInteger, nullable=False, server_default="0", comment="how often it was done again in doubt"),
    Column("looks", SmallInteger, nullable=False, server_default="0", comment="how often it was looked for since"),
    Column("look_after", Timestamp, comment="real time; not looked for again before"),
    Column("given_up_at", Timestamp, comment="real time; only a person can settle it since then"),
    UniqueConstraint("kind", "key"),
    Index(None, "workspace_id", "created_at"),
    Index("ix_effect_in_doubt", "attempted_at", postgresql_where=text("state in ('attempted', 'unknown')")),
    Index("ix_effect_settled", "settled_at", postgresql_where=text("settled_at is not null")),
    comment="Each effect on the outside world: intent, attempted, then confirmed, failed or unknown.",
)

budget_limit = tenant_table(
    "budget_limit",
    Column("workspace_id", Uuid, primary_key=True),
    Column("resource", Text, primary_key=True, comment="messages, tokens, api_calls or money"),
    Column("period", Text, primary_key=True, comment="hour or day"),
    Column("amount", BigInteger, nullable=False, comment="how much may be used in one period"),
    Column("overage", Text, nullable=False, comment="queue, drop or degrade"),
    comment="How much of a resource a workspace may use.",
)

budget_usage = tenant_table(
    "budget_usage",
    Column("workspace_id", Uuid, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("window_start", Timestamp, primary_key=True, comment="business time, UTC"),
    Column("used", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False, comment="the sum of the reservations below"),
    # Old windows are forgotten by age, and pages look at the present ones of all studios.
    Index(None, "period", "window_start"),
    comment="How much of a resource a workspace has used in each hour and day.",
)

budget_reservation = tenant_table(
    "budget_reservation",
    Column("workspace_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("resource", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column(
        "periods",
        ARRAY(Text),
        comment="hour, day or both: where it is counted as reserved; null: by a release that did not say",
    ),
    Column("reserved_at", Timestamp, nullable=False, comment="business time; decides the windows"),
    Column("expires_at", Timestamp, nullable=False, comment="real time; given back then unless settled"),
    Index(None, "expires_at"),
    comment="What is set aside for work under way: settled with what was used, or given back.",
)

distributed_lock = mixed_table(
    "distributed_lock",
    # Computed, so that the previous release, which knows nothing of it, writes it as well.
    Column(
        "namespace",
        Uuid,
        Computed("coalesce(workspace_id, '00000000-0000-0000-0000-000000000000'::uuid)", persisted=True),
        primary_key=True,
        comment="whose key it is: the studio's; all zeros: the fleet's",
    ),
    Column("key", Text, primary_key=True, comment="what is locked"),
    Column("workspace_id", Uuid),
    Column(
        "id",
        Uuid,
        nullable=False,
        unique=True,
        server_default=text("gen_random_uuid()"),
        comment="public id of this holding",
    ),
    Column("holder", Text, nullable=False),
    Column("fencing_token", BigInteger, nullable=False, comment="higher than that of whoever held it before"),
    Column("expires_at", Timestamp, nullable=False, comment="real time"),
    comment="Who holds what, and until when.",
)

limit_counter = fleet_table(
    "limit_counter",
    Column("name", Text, primary_key=True),
    Column("subject", Text, primary_key=True, comment="who is counted: a token, an address, a workspace"),
    Column("window_start", Timestamp, primary_key=True, comment="real time"),
    Column("count", Integer, nullable=False),
    Index(None, "window_start"),
    comment="How often something was done in a window of time.",
)

audit_log = mixed_table(
    "audit_log",
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Uuid, nullable=False, unique=True),
    _workspace(),
    Column("actor", Text, nullable=False, comment="who: system, admin:…, owner:…, member:…, token:…"),
    Column("action", Text, nullable=False, comment="verb of the field, as provisioning.step_completed"),
    Column("subject", Text, nullable=False, comment="on what"),
    Column("correlation_id", Uuid),
    json_column("details", comment="masked"),
    Column("recorded_at", DateTime(timezone=True), nullable=False, comment="real time"),
    Index(None, "workspace_id", "position"),
    Index(None, "correlation_id"),
    comment="Who did what, append-only; personal data masked.",
)

activity_log = tenant_table(
    "activity_log",
    Column("workspace_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("type", Text, nullable=False),
    Column("text", Text, nullable=False, comment="one sentence for the studio"),
    json_column("details"),
    Column("occurred_at", Timestamp, nullable=False, comment="business time"),
    Index(None, "workspace_id", "occurred_at"),
    comment="What happened in a studio, told to its people; the audit log is for accountability.",
)

api_request = fleet_table(
    "api_request",
    Column("caller", Text, primary_key=True, comment="the principal that sent it"),
    Column("key", Text, primary_key=True, comment="its Idempotency-Key"),
    Column("request_hash", LargeBinary, nullable=False, comment="SHA-256 of method, path and body"),
    Column("status", SmallInteger, comment="null: still being answered"),
    json_column("headers", nullable=True),
    Column("body", LargeBinary),
    Column("created_at", Timestamp, nullable=False, comment="real time"),
    Index(None, "created_at"),
    comment="Answers to requests that carried an Idempotency-Key, replayed to the same caller.",
)
