"""What a studio is given and keeps: calendar, defaults, files of leads, a place at Twilio."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pilar.database.row_security import protect_fleet_table, protect_tenant_table

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TENANT = (
    *("booking_feed", "workspace_template", "twilio_placement"),
    *("lead_import", "lead_import_part", "lead_import_refusal"),
)
FLEET = ("default_template",)

# An exclusion constraint wants GiST for each of its parts, and plain uuid has it only with an extension that an
# embedded server does not come with. A range has it of itself: a studio is a range of one.
NO_BOOKING_TWICE = """
alter table booking add constraint booking_not_twice exclude using gist (
  uuid_range(workspace_id, workspace_id, '[]') with &&, tstzrange(busy_from, busy_until) with &&
) where (state = 'booked')
"""


def upgrade() -> None:
    """Add columns, tables and the constraint."""
    op.execute("set local lock_timeout = '10s'")
    _calendar()
    _defaults()
    _lead_imports()
    _placements()
    for table in TENANT:
        for statement in protect_tenant_table(table):
            op.execute(statement)
    for table in FLEET:
        for statement in protect_fleet_table(table):
            op.execute(statement)


def _calendar() -> None:
    op.add_column(
        "booking_event_type",
        sa.Column(
            "buffer_before_minutes",
            sa.SmallInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="kept free before each booking",
        ),
    )
    op.add_column(
        "booking",
        sa.Column("busy_from", sa.DateTime(timezone=True), comment="business time: the start, less what is kept free"),
    )
    op.add_column(
        "booking",
        sa.Column(
            "sequence",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="how often it was changed, for calendars that follow a feed",
        ),
    )
    op.execute("update booking set busy_from = starts_at, sequence = (state = 'cancelled')::int")
    # Beside the previous release, which does not name the column.
    op.execute(
        "create function booking_busy_from() returns trigger language plpgsql as $$ begin"
        " new.busy_from := coalesce(new.busy_from, new.starts_at); return new; end $$"
    )
    op.execute(
        "create trigger booking_busy_from before insert on booking for each row execute function booking_busy_from()"
    )
    op.alter_column("booking", "busy_from", nullable=False)
    op.execute("create type uuid_range as range (subtype = uuid)")
    op.execute(NO_BOOKING_TWICE)
    op.create_table(
        "booking_feed",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="who follows it, in the studio's words"),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the address's secret"),
        sa.Column("created_by", sa.Text(), nullable=False, comment="the actor, as in the audit log"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="real time"),
        sa.Column("revoked_at", sa.DateTime(timezone=True), comment="real time; null: it can be read"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_booking_feed")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_booking_feed_workspace_id_workspace")
        ),
        sa.UniqueConstraint("token_hash", name=op.f("uq_booking_feed_token_hash")),
        comment="Secret addresses under which a studio's calendar can be followed.",
        info={"kind": "tenant"},
    )


def _defaults() -> None:
    op.create_table(
        "default_template",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "document",
            postgresql.JSONB(none_as_null=True),
            nullable=False,
            comment="what new studios get, validated",
        ),
        sa.Column("note", sa.Text(), nullable=False, comment="what is new"),
        sa.Column("created_by", sa.Text(), nullable=False, comment="the actor, as in the audit log"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_default_template")),
        comment="The founder's default template; new studios get the highest version. None: the one that is built in.",
        info={"kind": "fleet"},
    )
    op.create_table(
        "workspace_template",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("part", sa.Text(), nullable=False, comment="agent, coaching, followups or calendar"),
        sa.Column("version", sa.Integer(), nullable=False, comment="of the default template; 0: built in"),
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=False,
            comment="of the part as the studio got it: another one is its own",
        ),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.PrimaryKeyConstraint("workspace_id", "part", name=op.f("pk_workspace_template")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_workspace_template_workspace_id_workspace")
        ),
        comment="Which version of the default template a studio got, part by part.",
        info={"kind": "tenant"},
    )


def _lead_imports() -> None:
    owner = "the studio that owns the row"
    op.create_table(
        "lead_import",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment=owner),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the file: the same file is taken once"
        ),
        sa.Column("file_name", sa.Text(), nullable=False, comment="as it was called where it came from"),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="waiting, running, done or failed"),
        sa.Column("rows_read", sa.Integer(), nullable=False, comment="after the head; it goes on behind them"),
        sa.Column("added", sa.Integer(), nullable=False, comment="leads who are new"),
        sa.Column("known", sa.Integer(), nullable=False, comment="leads who were there already"),
        sa.Column("refused", sa.Integer(), nullable=False, comment="rows that can't be used"),
        sa.Column("error", sa.Text(), comment="why the file could not be read to its end"),
        sa.Column("asked_by", sa.Text(), nullable=False, comment="the actor, as in the audit log"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="real time"),
        sa.Column("finished_at", sa.DateTime(timezone=True), comment="real time"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_lead_import")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_lead_import_workspace_id_workspace")
        ),
        sa.UniqueConstraint("workspace_id", "digest", name=op.f("uq_lead_import_workspace_id_digest")),
        comment="Files of leads that a studio brought, and how far they are read.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "lead_import_part",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment=owner),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment="personal data; gone when the file is read"),
        sa.PrimaryKeyConstraint("workspace_id", "import_id", "number", name=op.f("pk_lead_import_part")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "import_id"],
            ["lead_import.workspace_id", "lead_import.id"],
            name=op.f("fk_lead_import_part_workspace_id_import_id_lead_import"),
        ),
        comment="A file of leads while it is read, in parts.",
        info={"kind": "tenant"},
    )
    op.create_table(
        "lead_import_refusal",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment=owner),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column(
            "line", sa.Integer(), autoincrement=False, nullable=False, comment="where the row begins in the file"
        ),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=False,
            comment="what was wrong and what to do; nothing of the row itself",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "import_id", "line", name=op.f("pk_lead_import_refusal")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "import_id"],
            ["lead_import.workspace_id", "lead_import.id"],
            name=op.f("fk_lead_import_refusal_workspace_id_import_id_lead_import"),
        ),
        comment="Rows of a file of leads that could not be used.",
        info={"kind": "tenant"},
    )


def _placements() -> None:
    op.create_table(
        "twilio_placement",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("parent_sid", sa.Text(), nullable=False, comment="our account at Twilio that the studio's is under"),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False, comment="real time"),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_twilio_placement")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.workspace_id"], name=op.f("fk_twilio_placement_workspace_id_workspace")
        ),
        comment="Under which of our accounts at Twilio a studio's account is made.",
        info={"kind": "tenant"},
    )
    op.create_index(op.f("ix_twilio_placement_parent_sid"), "twilio_placement", ["parent_sid"])
