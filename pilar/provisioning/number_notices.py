"""Telling people how WhatsApp sees a studio's number. What belongs here: who is told of what, and in which words.

What does not: noticing it (`messaging/number_news.py`) and sending mails (`owner_notices.py`). What is told is how the
number stands when it is told, not what the event said: events are handled in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import emit
from pilar.backplane.handlers import Work
from pilar.backplane.notices import IncidentRequested, Severity, end_incidents, incident
from pilar.clocks import Clocks
from pilar.messaging import number_rules, number_store
from pilar.messaging.events import NumberChanged
from pilar.provisioning import number_waits, replacement_store
from pilar.provisioning.events import NoticeKind, OwnerNotice
from pilar.provisioning.subscription import notify_owner

KINDS: frozenset[NoticeKind] = frozenset(
    {
        "account_restricted",
        "number_reinstated",
        "quality_low",
        "name_declined",
        "number_replaced",
        "own_number_lost",
        "own_number_waits",
    }
)
"""The notices that are about a number."""

_OF: Mapping[str, NoticeKind] = {
    "restricted": "account_restricted",
    "reinstated": "number_reinstated",
    "quality_low": "quality_low",
    "name_declined": "name_declined",
}
_WORDS: Mapping[str, str] = {
    number_rules.DISABLED: "it has switched the account off.",
    number_rules.LIMITED: "it limits what the account may send.",
    "NUMBER_BANNED": "it has banned the number.",
    "NUMBER_RESTRICTED": "it has restricted the number.",
    "RESTRICTED_BIZ_INITIATED_MESSAGING": "it takes no messages that you begin a conversation with.",
    "RESTRICTED_CUSTOMER_INITIATED_MESSAGING": "it takes no answers to what leads write.",
}


def banned_key(workspace_id: UUID) -> str:
    """The incident of a studio that WhatsApp has shut out."""
    return f"number:restricted:{workspace_id}"


class NumberNotices:
    """Has owner and founder told."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_number(self, connection: Connection, work: Work[NumberChanged]) -> dict[str, Any]:
        """WhatsApp sees a number differently: have those told whom it concerns."""
        workspace_id, what = work.workspace_id, work.content.what
        if workspace_id is None:
            return {"skipped": "it names no studio"}
        if kind := _OF.get(what):
            # Once a week each, should it come and go.
            week = self._clocks.business.now().strftime("%G-W%V")
            occasion = f"{what}:{week}" if kind in ("quality_low", "name_declined") else f"{what}:{work.id}"
            notify_owner(connection, self._clocks, workspace_id, kind, occasion, work.cause)
        standing = number_store.standing_of(connection, workspace_id, hold=True)
        number_waits.follow(connection, self._clocks, workspace_id, standing, work.cause)
        if standing.restricted is None:
            end_incidents(
                connection, self._clocks, [banned_key(workspace_id)], reason="WhatsApp lets the studio send again.",
                cause=work.cause, workspace_id=workspace_id,
            )  # fmt: skip
        elif what == "restricted":
            is_out = not set(standing.restricted.split(",")) <= number_rules.SENDING
            severity: Severity = "critical" if is_out and standing.restricted != number_rules.LIMITED else "medium"
            request = IncidentRequested(
                dedupe_key=banned_key(workspace_id),
                title="WhatsApp restricts a studio",
                description=f"WhatsApp says {standing.restricted}: {_in_words(standing.restricted)}",
                severity=severity,
                component="whatsapp_integration",
            )
            asked = incident(request, key=f"restricted:{work.id}", workspace_id=workspace_id)
            emit(connection, self._clocks, [asked], work.cause)
        return {"told": what}


def detail_of(connection: Connection, workspace_id: UUID, told: OwnerNotice) -> str | None:
    """What a notice about a number says beside its fixed words; None: it is so no more."""
    if told.kind == "number_replaced":
        return replacement_store.told_of(connection, workspace_id, UUID(told.occasion))
    if told.kind == "own_number_lost":
        look = replacement_store.look_of(connection, workspace_id)
        return look.reason if look is not None and look.trouble is not None else None
    if told.kind == "own_number_waits":
        return number_waits.reason_of(connection, workspace_id, told.occasion)
    standing = number_store.standing_of(connection, workspace_id)
    if told.kind == "account_restricted":
        return _in_words(standing.restricted) if standing.restricted else None
    holds = {
        "number_reinstated": standing.restricted is None,
        "quality_low": standing.quality == "red",
        "name_declined": standing.name_status == "declined",
    }[told.kind]
    return "" if holds else None


def _in_words(restricted: str) -> str:
    return " And ".join(_WORDS.get(one, f"it says {one}.") for one in restricted.split(","))
