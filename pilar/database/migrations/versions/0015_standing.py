"""How a studio stands by its subscription: grace, suspension, closing, erasure."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_tenant_table

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


# Consent and statuses are append-only for everybody who works with them. A studio that was closed, and has given back
# what it had, is forgotten whole: by the owner's function, table by table, and no other studio by any means.
ERASE_STUDIO = """
create or replace function pilar_erase_studio(studio uuid, place text, named text) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare gone bigint;
begin
  if not exists (select from studio_standing s where s.workspace_id = studio and s.released_at is not null
                 and s.erase_at is not null) then
    raise exception 'studio % is not closed', studio;
  end if;
  execute format('delete from %I.%I where workspace_id = $1', place, named) using studio;
  get diagnostics gone = row_count;
  return gone;
end $$
"""


def upgrade() -> None:
    op.execute("set local lock_timeout = '10s'")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "studio_standing",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column(
            "standing", sa.Text(), nullable=False, comment="trial, active, past_due, suspended, cancelled or closed"
        ),
        sa.Column("since", moment, nullable=False, comment="business time from when on it stands so, by the rule"),
        sa.Column("in_force_since", moment, nullable=False, comment="business time when we began to treat it so"),
        sa.Column("begun_at", moment, nullable=False, comment="when the present period began, as Stripe has it"),
        sa.Column(
            "owed_since", moment, nullable=True, comment="when the oldest open invoice fell due, as Stripe has it"
        ),
        sa.Column("owed_invoice", sa.Text(), nullable=True, comment="that invoice's id at Stripe"),
        sa.Column("ended_at", moment, nullable=True, comment="when the subscription ended, as Stripe has it"),
        sa.Column(
            "extended_until", moment, nullable=True, comment="business time until which the founder gives time to pay"
        ),
        sa.Column(
            "grace_until",
            moment,
            nullable=True,
            comment="business time until which a payment that is owed is waited for",
        ),
        sa.Column("closes_at", moment, nullable=True, comment="business time when it is closed if nothing changes"),
        sa.Column("changes_at", moment, nullable=True, comment="business time when time alone changes how it stands"),
        sa.Column("closed_at", moment, nullable=True, comment="business time when it was closed, for good"),
        sa.Column(
            "released_at", moment, nullable=True, comment="business time when its number and accounts were given back"
        ),
        sa.Column("erase_at", moment, nullable=True, comment="business time when its data is erased"),
        sa.Column("erased_at", moment, nullable=True, comment="business time when its data was erased"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_studio_standing_workspace_id_workspace")
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_studio_standing")),
        comment="How a studio stands by its subscription, and until when.",
        info={"kind": "tenant"},
    )
    for column in ("changes_at", "erase_at"):
        op.create_index(op.f(f"ix_studio_standing_{column}"), "studio_standing", [column], unique=False)
    for statement in protect_tenant_table("studio_standing"):
        op.execute(statement)
    op.execute(ERASE_STUDIO)
    op.execute("revoke execute on function pilar_erase_studio(uuid, text, text) from public")
    op.execute("grant execute on function pilar_erase_studio(uuid, text, text) to pilar_system")
