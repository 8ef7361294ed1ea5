"""The ledger: effects in doubt, the audit log's seal, and forgetting what is finished."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_fleet_table

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FLEET = ("audit_seal", "audit_progress")

# The owner of a table is beyond grants, and a role may be granted too much one day: both are told no here as well.
# What is past its time goes through `pilar_forget_audit` alone, which says so by a setting of its transaction.
APPEND_ONLY = """
create function pilar_refuse_change() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if tg_op <> 'TRUNCATE' and current_setting('pilar.forgetting', true) = tg_table_name then
    return null;
  end if;
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$
"""

FORGET_AUDIT = """
create function pilar_forget_audit(before timestamptz, forgotten_now timestamptz) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare oldest audit_seal; gone bigint;
begin
  select * into oldest from audit_seal where forgotten_at is null order by segment limit 1 for update;
  if not found or oldest.sealed_at >= before or exists (
    select from audit_log where position between oldest.from_position and oldest.to_position and recorded_at >= before
  ) then
    return 0;
  end if;
  perform set_config('pilar.forgetting', 'audit_log', true);
  delete from audit_log where position between oldest.from_position and oldest.to_position;
  get diagnostics gone = row_count;
  perform set_config('pilar.forgetting', 'audit_seal', true);
  update audit_seal set forgotten_at = forgotten_now, digests = '' where segment = oldest.segment;
  perform set_config('pilar.forgetting', '', true);
  return gone;
end $$
"""

# Facts are append-only for those who work with them; what is finished and past its time goes through these alone.
# A batch takes the next positions, so its cost depends on its size and not on how much there is. Work that is still
# to be done is looked for in the statement that deletes; a fact gets new work only from work it has, or with itself.
FORGET_FACTS = """
create function pilar_forget_{table}(before timestamptz, above bigint, size int,
                                     out reached bigint, out old bigint, out gone bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
declare batch bigint[];
begin
  select array_agg(position order by position), max(position),
         count(*) filter (where {recorded} < before)
    into batch, reached, old
    from (select position, {recorded} from {table} where position > above order by position limit size) next;
  delete from {table} f where f.position = any(batch) and f.{recorded} < before
     and not exists (select from pending_work w where w.position = f.position)
     and not exists (select from dead_letter w where w.position = f.position);
  get diagnostics gone = row_count;
end $$
"""
FACTS = (("inbox", "received_at"), ("autopilot_event", "recorded_at"), ("autopilot_job", "recorded_at"))


def upgrade() -> None:
    """Add the columns, tables, triggers and functions."""
    op.execute("set local lock_timeout = '10s'")
    _widen_effect()
    _create_tables()
    for table in FLEET:
        for statement in protect_fleet_table(table):
            op.execute(statement)
    op.execute("revoke update, delete on audit_seal from pilar_system")
    op.execute("insert into audit_progress (single, verified_segment) values (true, 0)")
    op.execute(APPEND_ONLY)
    for table in ("audit_log", "audit_seal"):
        op.execute(
            f"create trigger append_only before update or delete or truncate on {table}"
            " for each statement execute function pilar_refuse_change()"
        )
    op.execute(FORGET_AUDIT)
    functions = ["pilar_forget_audit(timestamptz, timestamptz)"]
    for table, recorded in FACTS:
        op.execute(FORGET_FACTS.format(table=table, recorded=recorded))
        functions.append(f"pilar_forget_{table}(timestamptz, bigint, int)")
    for function in functions:
        op.execute(f"revoke execute on function {function} from public")
        op.execute(f"grant execute on function {function} to pilar_system")


def _widen_effect() -> None:
    op.add_column(
        "effect",
        sa.Column(
            "settled_by",
            sa.Text(),
            nullable=True,
            comment="callback, look_up, or the actor who decided; null: the call's own answer",
        ),
    )
    op.add_column(
        "effect",
        sa.Column("note", sa.Text(), nullable=True, comment="masked; why somebody decided as they did"),
    )
    op.add_column(
        "effect",
        sa.Column(
            "risks",
            sa.SmallInteger(),
            server_default="0",
            nullable=False,
            comment="how often it was done again in doubt",
        ),
    )
    op.add_column(
        "effect",
        sa.Column(
            "looks",
            sa.SmallInteger(),
            server_default="0",
            nullable=False,
            comment="how often it was looked for since",
        ),
    )
    op.add_column(
        "effect",
        sa.Column(
            "look_after",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="real time; not looked for again before",
        ),
    )
    op.add_column(
        "effect",
        sa.Column(
            "given_up_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="real time; only a person can settle it since then",
        ),
    )
    op.create_index(
        "ix_effect_in_doubt",
        "effect",
        ["attempted_at"],
        unique=False,
        postgresql_where=sa.text("state in ('attempted', 'unknown')"),
    )
    op.create_index(
        "ix_effect_settled", "effect", ["settled_at"], unique=False, postgresql_where=sa.text("settled_at is not null")
    )


def _create_tables() -> None:
    op.create_table(
        "audit_seal",
        sa.Column("segment", sa.BigInteger(), autoincrement=False, nullable=False, comment="1, 2, 3 … without a gap"),
        sa.Column(
            "from_position", sa.BigInteger(), nullable=False, comment="where the segment before it ends, and one"
        ),
        sa.Column("to_position", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False, comment="how many entries it holds"),
        sa.Column(
            "content",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 over the hashes of the entries, by position",
        ),
        sa.Column(
            "digests",
            sa.LargeBinary(),
            nullable=False,
            comment="per entry its position and 8 bytes of its hash: finds one",
        ),
        sa.Column(
            "hash",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 over the hash before it, the numbers, and content",
        ),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False, comment="real time; part of the hash"),
        sa.Column(
            "forgotten_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="real time; its entries were past their time and are gone since then",
        ),
        sa.PrimaryKeyConstraint("segment", name=op.f("pk_audit_seal")),
        sa.UniqueConstraint("from_position", name=op.f("uq_audit_seal_from_position")),
        sa.UniqueConstraint("to_position", name=op.f("uq_audit_seal_to_position")),
        comment="The audit log in segments, each hashed together with the hash of the one before it.",
        info={"kind": "fleet"},
    )
    op.create_table(
        "audit_progress",
        sa.Column("single", sa.Boolean(), nullable=False, comment="always true: there is one row"),
        sa.Column(
            "marked_position",
            sa.BigInteger(),
            nullable=True,
            comment="what may be sealed once those who were writing then have ended",
        ),
        sa.Column(
            "marked_writers",
            sa.ARRAY(sa.Text()),
            nullable=True,
            comment="the transactions that were writing then",
        ),
        sa.Column("verified_segment", sa.BigInteger(), nullable=False, comment="the last segment that was found whole"),
        sa.Column(
            "verified_hash", sa.LargeBinary(), nullable=True, comment="its hash, so that a chain made anew is noticed"
        ),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True, comment="real time"),
        sa.CheckConstraint("single", name=op.f("ck_audit_progress_single")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_audit_progress")),
        comment="How far the audit log's sealing and verifying have come.",
        info={"kind": "fleet"},
    )
