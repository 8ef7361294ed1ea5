"""Addresses of leads, and e-mail as a channel to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0036"
branch_labels = None
depends_on = None

# What a comment said, and says.
_SCOPES = (
    "marketing; all: any message; founder: any message of any studio, told as all too",
    "marketing; email: by e-mail; all: any message; founder: any message of any studio, told as all too",
)
_SOURCES = (
    "keyword, wording, model, provider, staff, import, founder, merge, or unanswered: nobody told in time",
    "keyword, wording, model, provider, link, staff, import, founder, merge, or unanswered in time",
)
_DIGESTS = (
    "of a number or a user id, under the key of person_key",
    "of a number, a user id or a mail address, under the key of person_key",
)
_CHANNELS = ("whatsapp or sms", "whatsapp, sms or email")
_IDS = ("WhatsApp's id", "WhatsApp's or Twilio's id; of a mail, its Message-ID before the @")


def upgrade() -> None:
    """Add columns."""
    op.execute("set local lock_timeout = '10s'")
    op.add_column(
        "lead",
        sa.Column("email", sa.Text(), comment="personal data; the domain in lower case; null: none is known"),
    )
    op.add_column(
        "lead",
        sa.Column(
            "email_refused",
            sa.Text(),
            comment="why no mail reaches that address any more, by the mail server; null: as far as we know it does",
        ),
    )
    none = "; null: every channel"
    for table, column, (before, after), more in (
        ("consent", "scope", _SCOPES, ""),
        ("consent", "source", _SOURCES, ""),
        ("lead_suppression", "digest", _DIGESTS, ""),
        ("message", "channel", _CHANNELS, ""),
        ("message", "provider_message_id", _IDS, ""),
        ("message_rate", "channel", _CHANNELS, ""),
        ("send_control", "channel", _CHANNELS, none),
    ):
        op.alter_column(table, column, comment=f"{after}{more}", existing_comment=f"{before}{more}")
