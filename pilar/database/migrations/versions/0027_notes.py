"""One table of notes: what staff wrote in the inbox stands beside what they wrote on a lead's page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0020"
branch_labels = None
depends_on = None

TEXT = "personal data; what staff wrote for each other; never sent"
TABLE = "What staff tell each other about a lead, in the inbox and on the lead's page."


def upgrade() -> None:
    """Have the inbox's notes move over, and end their table."""
    op.execute("set local lock_timeout = '10s'")
    op.add_column(
        "lead_note",
        sa.Column("form_id", sa.Text(), comment="of what it was typed into: sent twice, it counts once"),
    )
    op.execute("update lead_note set form_id = id::text")
    op.execute(
        "insert into lead_note (workspace_id, id, lead_id, text, written_by, written_at, form_id)"
        " select workspace_id, id, lead_id, text, author, written_at, form_id from conversation_note"
    )
    op.alter_column("lead_note", "form_id", nullable=False)
    op.alter_column("lead_note", "text", comment=TEXT)
    op.create_table_comment("lead_note", TABLE)
    op.create_unique_constraint(op.f("uq_lead_note_workspace_id_form_id"), "lead_note", ["workspace_id", "form_id"])
    op.drop_index(op.f("ix_lead_note_workspace_id_lead_id"), "lead_note")
    op.create_index(
        op.f("ix_lead_note_workspace_id_lead_id_written_at"), "lead_note", ["workspace_id", "lead_id", "written_at"]
    )
    op.drop_table("conversation_note")
