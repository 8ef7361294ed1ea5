"""Messages that may be refusals wait for who understands them, and templates may have buttons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pilar.database.row_security import protect_tenant_table

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of questions, and the column of a template's buttons."""
    op.execute("set local lock_timeout = '10s'")
    op.create_table(
        "refusal_question",
        sa.Column("workspace_id", sa.Uuid(), nullable=False, comment="the studio that owns the row"),
        sa.Column("message_id", sa.Uuid(), nullable=False, comment="the lead's message"),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="model: a model is to tell; person: somebody of the staff; settled",
        ),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="business time from when on the lead gets no marketing for it",
        ),
        sa.Column(
            "why_person",
            sa.Text(),
            comment="code of why a person is asked and no model told; null: none was asked",
        ),
        sa.Column("found", sa.Text(), comment="what it refuses: all, marketing or none; null: nobody has told"),
        sa.Column(
            "told_by",
            sa.Text(),
            comment="model, an actor of the staff, unanswered, lead, or the source of the consent that ended it",
        ),
        sa.Column("provider", sa.Text(), comment="whose model was asked"),
        sa.Column("model", sa.Text(), comment="as its provider names it"),
        sa.Column("answer", sa.Text(), comment="what the model answered, in its code"),
        sa.Column("language", sa.Text(), comment="ISO 639-1, as the model read it"),
        sa.Column("settled_at", sa.DateTime(timezone=True), comment="business time; null: it is open"),
        sa.PrimaryKeyConstraint("workspace_id", "message_id", name=op.f("pk_refusal_question")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "message_id"],
            ["message.workspace_id", "message.id"],
            name=op.f("fk_refusal_question_workspace_id_message_id_message"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["lead.workspace_id", "lead.id"],
            name=op.f("fk_refusal_question_workspace_id_lead_id_lead"),
        ),
        comment="Messages that may ask for silence in words that no rule knows, and what was found.",
        info={"kind": "tenant"},
    )
    op.create_index(
        op.f("ix_refusal_question_workspace_id_lead_id_since"),
        "refusal_question",
        ["workspace_id", "lead_id", "since"],
    )
    op.create_index(
        "ix_refusal_question_open",
        "refusal_question",
        ["workspace_id", "lead_id"],
        postgresql_where=sa.text("settled_at is null"),
    )
    for statement in protect_tenant_table("refusal_question"):
        op.execute(statement)
    op.add_column(
        "message_template",
        sa.Column(
            "buttons",
            postgresql.JSONB(),
            comment="list of the words of its quick replies; null: it has none",
        ),
    )
    op.alter_column(
        "consent",
        "source",
        comment="keyword, wording, model, provider, staff, import, founder, merge, or unanswered: nobody told in time",
        existing_type=sa.Text(),
        existing_comment="keyword, wording, model, provider, staff, import, founder or merge",
    )
