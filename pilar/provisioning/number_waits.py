"""What the number of an open studio waits for: its replacement, or that WhatsApp lets the studio's own one send again.

What belongs here: when such a wait begins and ends, its reminders and when it has lasted in vain. What does not: waits
of steps, while a studio is being made (`waits.py`, `following.py`), SQL (`number_wait_store.py`) and words of mails.

A number that the studio has brought is the studio's to mend, so its owner is reminded as in any other wait on a studio.
WhatsApp's news end it. That nobody has acted for long changes nothing about it: who is told, and reminders stop.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, emit
from pilar.backplane.notices import IncidentRequested, end_incidents, incident
from pilar.clocks import Clocks
from pilar.ids import new_id
from pilar.messaging import number_rules
from pilar.messaging.number_store import NumberStanding
from pilar.provisioning import channel_store, store, waits
from pilar.provisioning import number_wait_store as kept
from pilar.provisioning.events import NumberWaits
from pilar.provisioning.meta_troubles import SUPPORT
from pilar.provisioning.steps import Wait
from pilar.provisioning.subscription import notify_owner

Matter = Literal["replacement", "own_number"]
REPLACEMENT: Matter = "replacement"
OWN: Matter = "own_number"

TITLES = {REPLACEMENT: "Another number", OWN: "The studio's own number"}
_SHUT = {
    number_rules.DISABLED: "WhatsApp has switched your account off",
    "NUMBER_BANNED": "WhatsApp has banned your number",
    "NUMBER_RESTRICTED": "WhatsApp lets your number send nothing for now",
}
_ACT = "ask it to look again in Meta's Business Support Home, and nothing else helps before it has."


def vain_key(workspace_id: UUID) -> str:
    """The incident of an owner who has not acted for too long."""
    return f"number:waits:{workspace_id}"


def begin(connection: Connection, clocks: Clocks, workspace_id: UUID, matter: Matter, wait: Wait, story: Cause) -> None:
    """A number waits: keep on whom and for what. The same once more changes nothing, another reason not its age.

    Args:
        connection: a transaction in the fleet's scope that holds what the wait is about.
        clocks: both clocks.
        workspace_id: the studio.
        matter: in which matter.
        wait: on whom, for what and where to act.
        story: what it belongs to.
    """
    known = kept.find(connection, workspace_id, matter, hold=True)
    if known is not None and (known.waits_on, known.reason) == (wait.on, wait.reason):
        return
    # Only a provider's own pages: the studio's set-up link is a secret.
    at_provider = waits.where_to_act(wait.on, workspace_id, "") if wait.on not in ("us", "studio") else None
    values = {"reason": wait.reason, "link": wait.link or at_provider}
    if known is not None and known.waits_on == wait.on:
        kept.change(connection, workspace_id, matter, values)
    else:
        now = clocks.business.now()
        times = waits.times_of(wait.on, now) if matter == OWN else None
        begun = {
            "id": new_id(), "title": TITLES[matter], "waits_on": wait.on, "state": "waiting", "reminders": 0,
            "wait_since": clocks.real.now(), "waits_from": now,
            "remind_at": times.remind_at if times else None, "expires_at": times.expires_at if times else None,
        }  # fmt: skip
        kept.begin(connection, {"workspace_id": workspace_id, "matter": matter, **begun, **values})
    _changed(connection, clocks, workspace_id, matter, story)


def end(connection: Connection, clocks: Clocks, workspace_id: UUID, matter: Matter, story: Cause) -> None:
    """A number waits no more, if it did."""
    if kept.end(connection, workspace_id, matter):
        _changed(connection, clocks, workspace_id, matter, story)
        end_incidents(
            connection, clocks, [vain_key(workspace_id)], reason="The number waits no more.", cause=story,
            workspace_id=workspace_id,
        )  # fmt: skip


def follow(connection: Connection, clocks: Clocks, workspace_id: UUID, standing: NumberStanding, story: Cause) -> None:
    """WhatsApp has told how a number stands: have an open studio's own number wait while it is shut out.

    While a studio is being made its step waits instead (`prerequisites.py`). Needs the fleet's scope, and holds the
    standing.
    """
    shut = _SHUT.get(standing.restricted or "")
    own = channel_store.own_of(connection, workspace_id)
    job = store.find_job_of_workspace(connection, workspace_id)
    is_open = job is not None and job.state == "completed"
    if shut is not None and own is not None and is_open:
        begin(connection, clocks, workspace_id, OWN, Wait("studio", f"{shut}: {_ACT}", SUPPORT), story)
    else:
        end(connection, clocks, workspace_id, OWN, story)


def remind(connection: Connection, clocks: Clocks, size: int) -> int:
    """Have owners reminded whose turn it is; return how many that were."""
    now = clocks.business.now()
    rows = kept.due(connection, "remind_at", now, size)
    for row in rows:
        # Who was not looked after for days gets one reminder for all that have come due.
        number, following = waits.reminders_due(row.waits_on, row.waits_from, now)
        kept.change(connection, row.workspace_id, row.matter, {"reminders": number, "remind_at": following})
        notify_owner(connection, clocks, row.workspace_id, "own_number_waits", f"{row.id}:{number}", Cause.new())
    return len(rows)


def expire(connection: Connection, clocks: Clocks, size: int) -> int:
    """Stop reminding where nobody has acted for too long, and tell owner and founder; return how many those are."""
    rows = kept.due(connection, "expires_at", clocks.business.now(), size)
    for row in rows:
        story = Cause.new()
        values = {"state": "expired", "remind_at": None, "expires_at": None}
        kept.change(connection, row.workspace_id, row.matter, values)
        audit.record(
            connection, actor=audit.SYSTEM, action="provisioning.wait_expired", subject=f"number:{row.matter}",
            now=clocks.real.now(), workspace_id=row.workspace_id, correlation_id=story.correlation_id,
            details={"on": row.waits_on, "reason": row.reason},
        )  # fmt: skip
        request = IncidentRequested(
            dedupe_key=vain_key(row.workspace_id),
            title="A studio's own number is shut out, and its owner does not act",
            description=f"{row.reason} It has waited in vain, and the owner is not reminded any more.",
            severity="high",
            component="whatsapp_integration",
        )
        asked = incident(request, key=f"number_waits:{row.id}", workspace_id=row.workspace_id)
        emit(connection, clocks, [asked], story)
        notify_owner(connection, clocks, row.workspace_id, "own_number_waits", f"{row.id}:0", story)
        _changed(connection, clocks, row.workspace_id, row.matter, story)
    return len(rows)


def reason_of(connection: Connection, workspace_id: UUID, occasion: str) -> str | None:
    """Why an owner is reminded, by the occasion that the mail was asked for; None where that wait is over."""
    row = kept.find(connection, workspace_id, OWN)
    return row.reason if row is not None and str(row.id) == occasion.partition(":")[0] else None


def _changed(connection: Connection, clocks: Clocks, workspace_id: UUID, matter: str, story: Cause) -> None:
    told = Event(
        payload=NumberWaits(matter=matter), key=f"number_waits:{new_id()}",
        aggregate=("number", str(workspace_id)), workspace_id=workspace_id,
    )  # fmt: skip
    emit(connection, clocks, [told], story)
