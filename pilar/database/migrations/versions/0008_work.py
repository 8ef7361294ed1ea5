"""Work: its type beside it, turns and pauses, uniqueness while waiting, keys of facts by type."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_fleet_table

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Stable, since what it calls is: so it becomes a part of the statement that calls it, at a quarter of the cost.
KEY_DIGEST = """
create function pilar_key_digest(kind int, type text, key text) returns bytea
language sql stable parallel safe as $$
  select substring(sha256(convert_to(kind::text || ':' || type || ':' || key, 'UTF8')) from 1 for 16)
$$
"""

PENDING_WORK = """
create view pending_work with (security_invoker = true) as
  select position, handler, kind, workspace_id, type, 'due' as state from queue
  union all select position, handler, kind, workspace_id, type, 'scheduled' from scheduled
  union all select position, handler, kind, workspace_id, type, 'parked' from parked
"""


def upgrade() -> None:
    """Add the columns and tables, and give each key its digest."""
    op.execute("set local lock_timeout = '10s'")
    for table in ("queue", "scheduled"):
        _add_type(table)
        op.add_column(
            table,
            sa.Column(
                "unique_key",
                sa.Text(),
                comment="no second job of its type is taken in while this one has not begun",
            ),
        )
    op.execute("comment on column dead_letter.type is 'the fact''s; a delivery''s is its provider'")
    for table in ("queue", "scheduled", "dead_letter"):
        for column in _concurrency():
            op.add_column(table, column)
    op.create_index(
        "ix_queue_concurrency_key",
        "queue",
        ["concurrency_key"],
        postgresql_where=sa.text("concurrency_key is not null"),
    )
    op.alter_column(
        "queue_log",
        "outcome",
        comment="done, retry, snoozed, dead, fanned_out, cancelled, discarded",
        existing_type=sa.Text(),
        existing_nullable=False,
        existing_comment="done, retry, snoozed, dead, fanned_out",
    )
    op.execute("alter table queue_log drop constraint pk_queue_log")
    op.execute("comment on column queue_log.fencing_token is 'names the attempt'")
    # These are emptied as fast as they are filled: by shares of their size, a vacuum would come far too late.
    for table in ("queue", "scheduled"):
        op.execute(
            f"alter table {table} set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,"
            " autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0,"
            " autovacuum_analyze_threshold = 20000)"
        )
    _create_tables()
    for table in ("parked", "unique_work", "queue_pause"):
        for statement in protect_fleet_table(table):
            op.execute(statement)
    _key_by_digest()
    op.execute(PENDING_WORK)
    op.execute("comment on view pending_work is 'All work that is not finished and needs no help.'")
    op.execute("grant select on pending_work to pilar_system")


def _add_type(table: str) -> None:
    op.add_column(table, sa.Column("type", sa.Text(), comment="the fact's; a delivery's is its provider"))
    op.execute(
        f"""
        update {table} w set type = coalesce(
          (select e.type from autopilot_event e where w.kind = 2 and e.position = w.position),
          (select j.type from autopilot_job j where w.kind = 3 and j.position = w.position),
          (select i.provider from inbox i where w.kind = 1 and i.position = w.position), '')
        """
    )
    op.alter_column(table, "type", nullable=False)


def _concurrency() -> tuple[sa.Column[object], sa.Column[object]]:
    return (
        sa.Column("concurrency_key", sa.Text(), comment="at most so many pieces of work with this key are due at once"),
        sa.Column("concurrency_limit", sa.SmallInteger(), comment="how many"),
    )


def _create_tables() -> None:
    op.create_table(
        "parked",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False, comment="the fact to be worked on"),
        sa.Column("handler", sa.Text(), nullable=False, comment="by which handler; empty: not yet told apart"),
        sa.Column("kind", sa.SmallInteger(), nullable=False, comment="1 delivery, 2 event, 3 job"),
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="all zeros: the fleet"),
        sa.Column("type", sa.Text(), nullable=False, comment="the fact's; a delivery's is its provider"),
        sa.Column("lane", sa.Text(), nullable=False, comment="inbox, reply, default or bulk"),
        sa.Column("priority", sa.SmallInteger(), nullable=False, comment="higher goes first"),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("max_attempts", sa.SmallInteger(), nullable=False),
        *_concurrency(),
        sa.Column(
            "unique_key", sa.Text(), comment="no second job of its type is taken in while this one has not begun"
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, comment="real time since when it waits"),
        sa.Column(
            "held_by",
            sa.Text(),
            nullable=False,
            comment="type:…, workspace:… (a pause) or key:… (its turn has not come)",
        ),
        sa.PrimaryKeyConstraint("position", "handler", name=op.f("pk_parked")),
        comment="Work that is due and held back: by a pause, or until others with its key are done.",
        info={"kind": "fleet"},
    )
    op.create_index("ix_parked_turn", "parked", ["held_by", sa.text("priority DESC"), "due_at", "position"])
    op.create_table(
        "unique_work",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="all zeros: the fleet"),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("unique_key", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="the job that waits under this key"),
        sa.PrimaryKeyConstraint("workspace_id", "type", "unique_key", name=op.f("pk_unique_work")),
        sa.UniqueConstraint("position", name=op.f("uq_unique_work_position")),
        comment="Which jobs that are unique while they wait are waiting; a row goes when its job is claimed first.",
        info={"kind": "fleet"},
    )
    op.create_table(
        "queue_pause",
        sa.Column("dimension", sa.Text(), nullable=False, comment="type, lane or workspace"),
        sa.Column("subject", sa.Text(), nullable=False, comment="which one"),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False, comment="real time"),
        sa.Column("paused_by", sa.Text(), nullable=False, comment="actor, as in the audit log"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), comment="real time; null: until somebody ends it"),
        sa.CheckConstraint("dimension in ('type', 'lane', 'workspace')", name=op.f("ck_queue_pause_dimension")),
        sa.PrimaryKeyConstraint("dimension", "subject", name=op.f("pk_queue_pause")),
        comment="Work that is not to be begun for now, by type, lane or workspace.",
        info={"kind": "fleet"},
    )


def _key_by_digest() -> None:
    """Keys of all types were one space: two jobs of different types with one key lost the second."""
    op.execute(KEY_DIGEST)
    op.execute("grant execute on function pilar_key_digest(int, text, text) to pilar_system")
    op.rename_table("idempotency_key", "idempotency_key_before")
    op.execute("alter index pk_idempotency_key rename to pk_idempotency_key_before")
    op.execute("alter index ix_idempotency_key_recorded_at rename to ix_idempotency_key_before_recorded_at")
    op.create_table(
        "idempotency_key",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="all zeros: the fleet"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="of kind, type and key; see pilar_key_digest"),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="the fact it stands for"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, comment="real time"),
        sa.PrimaryKeyConstraint("workspace_id", "digest", name=op.f("pk_idempotency_key")),
        comment="Which facts are already there, apart from them, so that facts can be dropped by age.",
        info={"kind": "fleet"},
    )
    op.execute(
        """
        insert into idempotency_key (workspace_id, digest, position, recorded_at)
        select k.workspace_id, pilar_key_digest(k.kind, coalesce(e.type, j.type), k.key), k.position, k.recorded_at
        from idempotency_key_before k
        left join autopilot_event e on k.kind = 2 and e.position = k.position
        left join autopilot_job j on k.kind = 3 and j.position = k.position
        where coalesce(e.type, j.type) is not null
        order by k.recorded_at
        """
    )
    op.drop_table("idempotency_key_before")
    op.create_index(op.f("ix_idempotency_key_recorded_at"), "idempotency_key", ["recorded_at"], postgresql_using="brin")
    for statement in protect_fleet_table("idempotency_key"):
        op.execute(statement)
