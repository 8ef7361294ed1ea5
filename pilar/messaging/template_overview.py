"""A studio's templates. What belongs here: making their figures, and reading both for pages, the API and the CLI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.clocks import Clocks
from pilar.messaging import followup_store, template_store, template_usage_store
from pilar.messaging.defaults import EXAMPLES
from pilar.messaging.purposes import APPROVED, RETIRED, best_of, purpose_of, purposes_of
from pilar.messaging.template_choices import filled

MADE_AGAIN = timedelta(days=4)
"""An answer within 72 hours counts: the days before today are made again for so long."""
LOOKED_BACK = timedelta(days=30)
_COUNTS = ("sent", "delivered", "read", "answered", "opted_out", "refused", "failed", "blocked")


@dataclass(frozen=True)
class Usage:
    """What came of a template in the last thirty days, as in `analytics.template_day`."""

    sent: int = 0
    delivered: int = 0
    read: int = 0
    answered: int = 0
    opted_out: int = 0
    refused: int = 0
    failed: int = 0
    blocked: int = 0


@dataclass(frozen=True)
class TemplateState:
    """A template and how it stands.

    Attributes:
        name: as WhatsApp names it.
        language: of this sibling.
        category: marketing, utility or authentication.
        state: draft until it is submitted; then as WhatsApp has it.
        reason: why it was rejected, paused or disabled.
        body: with its variables.
        preview: as a lead would read it.
        purpose: what it is for: its siblings have the same.
        stands_in: which sibling is sent while this one can't be, as name and language.
        adopted: it was made at WhatsApp.
        unusable: why it can't be sent from here.
        quality: WhatsApp's score, in lower case.
        retired: it never comes back.
        again: its text can be submitted once more, since no other is left for its purpose.
        followups: which follow-ups write with it.
        seen_at: business time when WhatsApp last listed it.
        usage: what came of it.
    """

    name: str
    language: str
    category: str
    state: str
    reason: str | None
    body: str
    preview: str
    purpose: str
    stands_in: str | None
    adopted: bool
    unusable: str | None
    quality: str | None
    retired: bool
    again: bool
    followups: tuple[str, ...]
    seen_at: datetime | None
    usage: Usage


def refresh_usage(connection: Connection, clocks: Clocks, studios: Sequence[UUID]) -> int:
    """Make the figures of these studios' templates anew; return how many rows there are. Needs the fleet's scope."""
    now = clocks.business.now()
    first = (now - MADE_AGAIN).replace(hour=0, minute=0, second=0, microsecond=0)
    return template_usage_store.make_days(connection, studios, first, now)


def templates_of(connection: Connection, clocks: Clocks, workspace_id: UUID) -> list[TemplateState]:
    """A studio's templates: those in use by name and language, then those that are retired."""
    rows = template_store.templates_of(connection, workspace_id)
    since = (clocks.business.now() - LOOKED_BACK).astimezone(UTC).date()
    sums: dict[tuple[str, str], dict[str, int]] = {}
    first = {row.name: row.language for row in reversed(rows)}
    for found in template_usage_store.sums_since(connection, workspace_id, since):
        # What was never sent has no language: it counts for the first sibling, so that it is not lost.
        total = sums.setdefault((found.name, found.language or first.get(found.name, "")), dict.fromkeys(_COUNTS, 0))
        for count in _COUNTS:
            total[count] += getattr(found, count)
    used: dict[str, list[str]] = {}
    for followup in followup_store.followups_of(connection, workspace_id):
        if followup.active:
            used.setdefault(followup.template_name, []).append(followup.name)
    again = {row.id for purpose in purposes_of(rows) for row in purpose.again}
    states, usable = [], [row for row in rows if row.unusable is None]
    for row in rows:
        other = best_of(usable, row.name, row.language) if row.state != APPROVED else None
        stands_in = f"{other.name} ({other.language})" if other is not None and other.state == APPROVED else None
        states.append(
            TemplateState(
                name=row.name,
                language=row.language,
                category=row.category,
                state=row.state,
                reason=row.reason,
                body=row.body,
                preview=filled(row.body, EXAMPLES),
                purpose=purpose_of(row.name),
                stands_in=stands_in,
                adopted=row.adopted,
                unusable=row.unusable,
                quality=row.quality,
                retired=row.state in RETIRED,
                again=row.id in again,
                followups=tuple(used.get(row.name, ())),
                seen_at=row.seen_at,
                usage=Usage(**sums.get((row.name, row.language), {})),
            )
        )
    return sorted(states, key=lambda one: one.retired)
