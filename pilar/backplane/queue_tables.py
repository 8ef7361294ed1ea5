"""The tables of work: what is due, what is for later, what is held back, and what became of it.

What belongs here: their shape. What does not: the facts that the work is on (`tables.py`), and SQL (`store.py`).

Work does not last. Each piece is one slim row in exactly one of `queue` (due), `scheduled` (for later), `parked` (held
back by a pause or by a limit on concurrency) and `dead_letter` (needs help); it is deleted when it is done, in the
transaction that appends to `queue_log`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    Sequence,
    SmallInteger,
    Text,
    Uuid,
)

from pilar.database.schema import Timestamp, fleet_table, json_column, metadata, mixed_table, shown_table

fencing_token = Sequence("fencing_token", metadata=metadata, data_type=BigInteger, cache=1)


def _work_columns() -> list[Column[object]]:
    return [
        Column("position", BigInteger, primary_key=True, autoincrement=False, comment="the fact to be worked on"),
        Column("handler", Text, primary_key=True, comment="by which handler; empty: not yet told apart"),
        Column("kind", SmallInteger, nullable=False, comment="1 delivery, 2 event, 3 job"),
        Column("workspace_id", Uuid, nullable=False, comment="all zeros: the fleet"),
        Column("type", Text, nullable=False, comment="the fact's; a delivery's is its provider"),
        Column("lane", Text, nullable=False, comment="inbox, reply, default or bulk"),
        Column("priority", SmallInteger, nullable=False, comment="higher goes first"),
        Column("attempts", SmallInteger, nullable=False),
        Column("max_attempts", SmallInteger, nullable=False),
        Column("concurrency_key", Text, comment="at most so many pieces of work with this key are due at once"),
        Column("concurrency_limit", SmallInteger, comment="how many"),
    ]


def _unique_key() -> Column[object]:
    return Column("unique_key", Text, comment="no second job of its type is taken in while this one has not begun")


queue = shown_table(
    "queue",
    *_work_columns(),
    _unique_key(),
    Column("due_at", Timestamp, nullable=False, comment="real time since when it waits"),
    Column("lease_until", Timestamp, comment="real time; who claimed it holds it until then"),
    Column("fencing_token", BigInteger, comment="who claimed it last; an older holder's result is refused"),
    Column("leased_by", Text, comment="the worker that claimed it last"),
    Column("leased_at", Timestamp, comment="real time; when it did"),
    # The lease is in no index, and half of each page is free, so that a claim is a heap-only update.
    Index("ix_queue_claim", "lane", "workspace_id", Column("priority").desc(), "due_at", "position"),
    Index("ix_queue_concurrency_key", "concurrency_key", postgresql_where="concurrency_key is not null"),
    comment="Work that is due: one slim row each, deleted when done.",
    postgresql_with={"fillfactor": "50"},
)

scheduled = shown_table(
    "scheduled",
    *_work_columns(),
    _unique_key(),
    Column("due_at", Timestamp, nullable=False),
    Column("business_time", Boolean, nullable=False, comment="whether due_at is business time, else real time"),
    Index(None, "business_time", "due_at"),
    comment="Work for later, moved into the queue when its time comes.",
)

parked = shown_table(
    "parked",
    *_work_columns(),
    _unique_key(),
    Column("due_at", Timestamp, nullable=False, comment="real time since when it waits"),
    Column("held_by", Text, nullable=False, comment="type:…, workspace:… (a pause) or key:… (its turn has not come)"),
    Index("ix_parked_turn", "held_by", Column("priority").desc(), "due_at", "position"),
    comment="Work that is due and held back: by a pause, or until others with its key are done.",
)

unique_work = fleet_table(
    "unique_work",
    Column("workspace_id", Uuid, primary_key=True, comment="all zeros: the fleet"),
    Column("type", Text, primary_key=True),
    Column("unique_key", Text, primary_key=True),
    Column("position", BigInteger, nullable=False, unique=True, comment="the job that waits under this key"),
    comment="Which jobs that are unique while they wait are waiting; a row goes when its job is claimed first.",
)

queue_pause = fleet_table(
    "queue_pause",
    Column("dimension", Text, primary_key=True, comment="type, lane or workspace"),
    Column("subject", Text, primary_key=True, comment="which one"),
    Column("paused_at", Timestamp, nullable=False, comment="real time"),
    Column("paused_by", Text, nullable=False, comment="actor, as in the audit log"),
    Column("reason", Text, nullable=False),
    Column("until", Timestamp, comment="real time; null: until somebody ends it"),
    CheckConstraint("dimension in ('type', 'lane', 'workspace')", name="dimension"),
    comment="Work that is not to be begun for now, by type, lane or workspace.",
)

dead_letter = mixed_table(
    "dead_letter",
    *_work_columns(),
    Column("error_code", Text, nullable=False),
    Column("error", Text, nullable=False, comment="masked"),
    Column("failed_at", Timestamp, nullable=False, comment="real time"),
    Index(None, "workspace_id", "failed_at"),
    Index("ix_dead_letter_newest", "failed_at", "position", "handler"),
    comment="Work that can't be done without somebody's help.",
)

queue_log = mixed_table(
    "queue_log",
    Column("finished_at", Timestamp, nullable=False, comment="real time"),
    Column("position", BigInteger, nullable=False),
    Column("handler", Text, nullable=False),
    Column("fencing_token", BigInteger, nullable=False, comment="names the attempt"),
    Column("kind", SmallInteger, nullable=False),
    Column("workspace_id", Uuid, nullable=False),
    Column("lane", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("outcome", Text, nullable=False, comment="done, retry, snoozed, dead, fanned_out, cancelled, discarded"),
    Column("attempts", SmallInteger, nullable=False),
    Column("due_at", Timestamp, nullable=False),
    Column("claimed_at", Timestamp, nullable=False),
    Column("worker", Text, nullable=False),
    Column("error", Text, comment="masked"),
    json_column("result", nullable=True),
    Index(None, "position"),
    Index(
        "ix_queue_log_taken_out",
        "workspace_id",
        "position",
        postgresql_where="outcome in ('cancelled', 'discarded')",
    ),
    # No key: an attempt is logged by the statement that deletes its work, and a key's index would cost as much again.
    comment="Each attempt at a piece of work, partitioned by day and dropped by age.",
    postgresql_partition_by="RANGE (finished_at)",
)

queue_tally = fleet_table(
    "queue_tally",
    Column("minute", Timestamp, nullable=False, comment="real time; in which they ended"),
    Column("lane", Text, nullable=False),
    Column("outcome", Text, nullable=False, comment="done, retry, snoozed or dead"),
    Column("wait_bucket", SmallInteger, nullable=False, comment="see backplane/histograms.py"),
    Column("run_bucket", SmallInteger, nullable=False),
    Column("attempts", Integer, nullable=False, comment="how many"),
    Column("longest_wait", Double, nullable=False, comment="seconds from when one was due until it was claimed"),
    Column("longest_run", Double, nullable=False, comment="seconds from a claim until it was settled"),
    Column("is_sum", Boolean, nullable=False, comment="whether it is added up; else it is of one batch"),
    Index(None, "minute"),
    Index("ix_queue_tally_loose", "minute", postgresql_where="not is_sum"),
    # No key: a batch that comes late is a further row of its minute, added up with the others when it is read.
    comment="How many attempts ended in each minute and how long they took: written with them, dropped by age.",
)

worker_heartbeat = fleet_table(
    "worker_heartbeat",
    Column("worker", Text, primary_key=True),
    Column("started_at", Timestamp, nullable=False),
    Column("seen_at", Timestamp, nullable=False, comment="real time"),
    json_column("breakers", nullable=True, comment="what it knows of providers; null: by a release that did not say"),
    comment="Which workers are alive; while one is, Dagster's sensors leave fresh work to it.",
)
