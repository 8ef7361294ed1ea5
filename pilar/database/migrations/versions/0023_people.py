"""What is kept about leads beside their talk, and who is not to be written to again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilar.database.row_security import protect_fleet_table, protect_tenant_table

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None

TENANT = ("lead_alias", "lead_note", "lead_call", "lead_erasure", "lead_suppression")
FLEET = ("person_stop", "person_key")
DIGEST = "of a number or a user id, under the key of person_key"

# What was allowed or forbidden and what came in are append-only for those who work with them. A person who turns out
# to be another, and one who is to be forgotten, go through these alone, and nothing else of a row changes.
FUNCTIONS = {
    "pilar_move_consent(uuid, uuid, uuid, timestamptz)": """
create function pilar_move_consent(studio uuid, old uuid, stays uuid, moved timestamptz) returns void
language sql security definer set search_path = public, pg_temp as $$
update consent c set lead_id = stays, moved_at = moved,
  proof = case when exists (select from consent k where k.workspace_id = studio and k.lead_id = stays
                            and k.scope = c.scope and k.proof = c.proof)
               then c.proof || ' (of ' || old || ')' else c.proof end
where c.workspace_id = studio and c.lead_id = old
$$
""",
    "pilar_erase_proofs(uuid, uuid)": """
create function pilar_erase_proofs(studio uuid, who uuid) returns void
language sql security definer set search_path = public, pg_temp as $$
update consent set proof = 'erased:' || id where workspace_id = studio and lead_id = who
  and exists (select from lead_erasure e where e.workspace_id = studio and e.lead_id = who)
$$
""",
    "pilar_shred_delivery(bigint, bytea)": """
create function pilar_shred_delivery(place bigint, rest bytea) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update inbox set body = rest where position = place and octet_length(rest) <= octet_length(body);
  if not found then raise exception 'a delivery can only lose parts'; end if;
end $$
""",
}


def upgrade() -> None:
    """Add columns and tables."""
    op.execute("set local lock_timeout = '10s'")
    op.add_column(
        "consent",
        sa.Column(
            "moved_at",
            sa.DateTime(timezone=True),
            comment="business time; since when it counts for the lead it was merged into; null: it was always theirs",
        ),
    )
    op.alter_column(
        "consent",
        "scope",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="marketing; all: any message; founder: any message of any studio, told as all too",
        existing_comment="marketing, or all: any message",
    )
    op.alter_column(
        "consent",
        "source",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="keyword, wording, model, provider, staff, import, founder or merge",
        existing_comment="keyword, wording, provider, staff or import",
    )
    op.alter_column(
        "lead",
        "lifecycle",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment="lead, customer, former, staff or erased",
        existing_comment="lead, customer, former or staff",
    )
    op.create_index(op.f("ix_lead_phone"), "lead", ["phone"])
    _about_leads()
    _about_persons()
    for table in TENANT:
        for statement in protect_tenant_table(table):
            op.execute(statement)
    for table in FLEET:
        for statement in protect_fleet_table(table):
            op.execute(statement)
    for name, function in FUNCTIONS.items():
        op.execute(function)
        op.execute(f"revoke execute on function {name} from public")
        op.execute(f"grant execute on function {name} to pilar_system")


def _of_studio() -> sa.Column[object]:
    return sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row")


def _lead_of(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", "lead_id"],
        ["lead.workspace_id", "lead.id"],
        name=op.f(f"fk_{table}_workspace_id_lead_id_lead"),
    )


def _about_leads() -> None:
    actor, moment = "the actor, as in the audit log", sa.DateTime(timezone=True)
    op.create_table(
        "lead_alias",
        _of_studio(),
        sa.Column(
            "old_id", sa.Uuid(), nullable=False, comment="an id that was a lead's; it answers with the lead who stayed"
        ),
        sa.Column("lead_id", sa.Uuid(), nullable=False, comment="who stayed"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why the two are one person"),
        sa.Column("merged_by", sa.Text(), nullable=False, comment=actor),
        sa.Column("merged_at", moment, nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "old_id", name=op.f("pk_lead_alias")),
        _lead_of("lead_alias"),
        comment="Leads who turned out to be somebody whom the studio knew already.",
        info={"kind": "tenant"},
    )
    op.create_index(op.f("ix_lead_alias_workspace_id_lead_id"), "lead_alias", ["workspace_id", "lead_id"])
    op.create_table(
        "lead_note",
        _of_studio(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False, comment="personal data; what staff wrote for each other"),
        sa.Column("written_by", sa.Text(), nullable=False, comment=actor),
        sa.Column("written_at", moment, nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_lead_note")),
        _lead_of("lead_note"),
        comment="What staff noted about a lead.",
        info={"kind": "tenant"},
    )
    op.create_index(op.f("ix_lead_note_workspace_id_lead_id"), "lead_note", ["workspace_id", "lead_id"])
    op.create_table(
        "lead_call",
        _of_studio(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("provider_call_id", sa.Text(), nullable=False, comment="WhatsApp's id; of who was erased, ours"),
        sa.Column("direction", sa.Text(), nullable=False, comment="in: the lead rang; out: the studio did"),
        sa.Column("state", sa.Text(), nullable=False, comment="ringing, completed or failed"),
        sa.Column("began_at", moment, nullable=False, comment="as the provider has it"),
        sa.Column("ended_at", moment, comment="as the provider has it"),
        sa.Column("seconds", sa.Integer(), comment="how long they talked"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_lead_call")),
        _lead_of("lead_call"),
        sa.UniqueConstraint(
            "workspace_id", "provider_call_id", name=op.f("uq_lead_call_workspace_id_provider_call_id")
        ),
        comment="Calls over WhatsApp.",
        info={"kind": "tenant"},
    )
    op.create_index(op.f("ix_lead_call_workspace_id_lead_id"), "lead_call", ["workspace_id", "lead_id"])
    op.create_table(
        "lead_erasure",
        _of_studio(),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False, comment=actor),
        sa.Column("asked_at", moment, nullable=False, comment="business time"),
        sa.Column("erased_at", moment, comment="business time; null: it is about to be done"),
        sa.PrimaryKeyConstraint("workspace_id", "lead_id", name=op.f("pk_lead_erasure")),
        _lead_of("lead_erasure"),
        comment="Whose personal data was asked to be erased, and when it was.",
        info={"kind": "tenant"},
    )


def _about_persons() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "lead_suppression",
        _of_studio(),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment=DIGEST),
        sa.Column("erased_at", moment, nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "digest", name=op.f("pk_lead_suppression")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_lead_suppression_workspace_id_workspace")
        ),
        comment="Who was erased: no file and no staff can have them written to again."
        " Says nothing to who lacks the key.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "person_stop",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment=DIGEST),
        sa.Column("source", sa.Text(), nullable=False, comment="keyword, wording, provider or staff"),
        sa.Column("proof", sa.Text(), nullable=False, comment="what shows it: a reference, no personal data"),
        sa.Column("stopped_at", moment, nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_person_stop")),
        comment="Who wants no messages from any of the founder's studios, those that meet them later included.",
        info={"kind": "fleet"},
    )
    op.create_table(
        "person_key",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False, comment="always 1"),
        sa.Column(
            "sealed_key",
            sa.LargeBinary(),
            nullable=False,
            comment="encrypted; the same for good, whatever encrypts it",
        ),
        sa.Column("created_at", moment, nullable=False, comment="real time"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_key")),
        comment="The key of digests that stand for persons.",
        info={"kind": "fleet"},
    )
