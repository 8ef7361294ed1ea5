"""A number that was lost is replaced by another: bought, put on WhatsApp, changed over to, and the old one given back.

What belongs here: the order, and what is kept after each part. What does not: when a number counts as lost
(`channel_look.py`), buying and registering one (`twilio_steps.py`, `whatsapp_steps.py`).

A replacement is begun once a day at most and one at a time, by the table's own rules. Each of its parts is an effect
that is looked for before it is repeated, and the studio changes over in one transaction: a worker that is killed leaves
it with its old number or its new one, and the next worker goes on. The old number is given back last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Concurrency, enqueue
from pilar.backplane.facts import Job as QueuedJob
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.ids import new_id
from pilar.messaging import number_news, number_store
from pilar.providers.twilio.credentials import by_token
from pilar.providers.whatsapp.client import GraphClient
from pilar.provisioning import channel_store, number_purchases, number_waits, traces
from pilar.provisioning import replacement_store as store
from pilar.provisioning import store as jobs
from pilar.provisioning.events import LookAtChannels, ReplaceNumber
from pilar.provisioning.giving_back import GivingBack, Returning
from pilar.provisioning.steps import Job, Wait
from pilar.provisioning.subscription import notify_owner
from pilar.provisioning.twilio_steps import TwilioSteps
from pilar.provisioning.whatsapp_steps import WhatsAppSteps
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal

LOOK_AGAIN = timedelta(hours=1)
"""Real time: how long a wait rests before it is looked into again."""
REMEMBERED = 5
"""How many of a studio's earlier numbers are still its own when something comes for them."""
REPLACED = "replaced"
LOOK_NOW = "look:now"
"""The unique key of looks that are due at once: many who ask are one."""


def at_a_time(workspace_id: UUID) -> Concurrency:
    """A studio's channels are looked at and replaced by one worker at a time."""
    return Concurrency(f"channels:{workspace_id}")


def go_on(connection: Connection, clocks: Clocks, workspace_id: UUID, *, cause: str, story: Cause) -> bool:
    """Have a studio's replacement go on, if one is under way; return whether it is.

    Args:
        connection: the transaction of what may let it go on.
        clocks: both clocks.
        workspace_id: the studio.
        cause: what happened, as an idempotency key.
        story: what it belongs to.
    """
    row = store.under_way(connection, workspace_id)
    if row is not None:
        _enqueue(connection, clocks, row.workspace_id, row.id, cause, story)
    return row is not None


class Replacer:
    """Replaces numbers."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        graph: GraphClient,
        box: SecretBox,
        twilio: TwilioSteps,
        whatsapp: WhatsAppSteps,
        giving_back: GivingBack,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._box = box
        self._twilio = twilio
        self._whatsapp = whatsapp
        self._giving_back = giving_back

    def begin(self, work: Work[Any], workspace_id: UUID, why: str) -> str:
        """Begin to replace a studio's number; return what became of that, in words.

        Args:
            work: what found it lost.
            workspace_id: the studio.
            why: what happened to the number, as a sentence; the owner reads it.
        """
        with self._database.transaction(Scope.fleet()) as connection:
            twilio = workspaces.get_integration(connection, workspace_id, "twilio", hold=True)
            if channel_store.own_of(connection, workspace_id) is not None:
                return "the studio brings its own number"
            if twilio is None or twilio.phone_number_id is None or twilio.phone_number is None:
                return "there is no number"
            if go_on(connection, self._clocks, workspace_id, cause=f"again:{work.id}", story=work.cause):
                return "under way"
            whatsapp = workspaces.get_integration(connection, workspace_id, "whatsapp")
            now = self._clocks.real.now()
            today = self._clocks.business.now().astimezone(UTC).date()
            replacement_id = new_id()
            begun = {
                "workspace_id": workspace_id,
                "id": replacement_id,
                "why": why,
                "old_number": twilio.phone_number,
                "old_number_sid": twilio.phone_number_id,
                "old_whatsapp_id": whatsapp.phone_number_id if whatsapp is not None else None,
                "begun_at": now,
                "begun_on": today,
                "correlation_id": work.correlation_id,
            }
            if store.begun_on(connection, workspace_id, today):
                return "one was begun today: the next may be tomorrow"
            if not number_purchases.lose_all(connection, self._clocks, workspace_id):
                return "a number is being bought already"
            if not store.begin_replacement(connection, begun):
                return "one was begun today: the next may be tomorrow"
            audit.record(
                connection, actor=audit.SYSTEM, action="provisioning.replacement_begun",
                subject=f"number:{twilio.phone_number_id}", now=now, workspace_id=workspace_id,
                correlation_id=work.correlation_id, details={"why": why},
            )  # fmt: skip
            _enqueue(connection, self._clocks, workspace_id, replacement_id, "begun", work.cause)
        return "begun"

    def on_job(self, work: Work[ReplaceNumber]) -> dict[str, Any]:
        """Take a replacement as far as it goes.

        Raises:
            Transient: a provider can't do its part now; the queue tries again.
            Permanent: a provider refuses; the replacement waits on us, and goes on when its work is sent back.
        """
        if work.workspace_id is None:
            raise Permanent("A number belongs to a studio, and this work names none.")
        with self._database.transaction(Scope.fleet()) as connection:
            row = store.find_replacement(connection, work.workspace_id, work.content.replacement_id)
            studio = workspaces.get_workspace(connection, work.workspace_id)
        if row is None or row.ended_at is not None:
            return {"state": "over" if row is not None else "gone"}
        if studio.state not in ("active", "suspended"):
            self._end(work, row, f"the studio is {studio.state}")
            return {"state": f"given up: the studio is {studio.state}"}
        try:
            waits = self._run(row)
        except Permanent as error:
            self._keep_wait(row, Wait("us", error.message))
            raise
        if waits is not None:
            self._wait(row, waits, work)
            return {"state": "waiting", "on": waits.on}
        self._end(work, row, REPLACED)
        return {"state": REPLACED}

    def _run(self, row: Row[Any]) -> Wait | None:
        """Each part in turn; what is done already is found to be. Returns what it waits for, None at the end."""
        job = self._job(row)
        if row.moved_at is None:
            bought = self._twilio.purchase(job, intent=str(row.id))
            if isinstance(bought, Wait):
                return bought
            self._change(row, {"new_number": bought["phone_number"], "new_number_sid": bought["number_sid"]})
            number_id = self._whatsapp.put_on(job, str(bought["phone_number"]), intent=str(row.id))
            if isinstance(number_id, Wait):
                return number_id
            self._move(row, bought, number_id)
        self._give_back(row)
        return None

    def _job(self, row: Row[Any]) -> Job:
        with self._database.transaction(Scope.fleet()) as connection:
            job = jobs.job_of_workspace(connection, row.workspace_id)
            view = jobs.job_view(job, jobs.steps_of(connection, job.id))
        return replace(view, correlation_id=row.correlation_id, codes_since=row.begun_at)

    def _move(self, row: Row[Any], bought: Mapping[str, Any], number_id: str) -> None:
        """The studio changes over: from here on it sends from the new number, and has no other."""
        now, real_now = self._clocks.business.now(), self._clocks.real.now()
        with self._database.transaction(Scope.fleet()) as connection:
            workspaces.get_integration(connection, row.workspace_id, "twilio", hold=True)
            account = workspaces.get_integration(connection, row.workspace_id, "whatsapp", hold=True)
            known = dict(account.details) if account is not None else {}
            former = [
                *known.get(workspaces.FORMER_NUMBERS, []),
                *([row.old_whatsapp_id] if row.old_whatsapp_id else []),
            ]
            workspaces.upsert_integration(
                connection, row.workspace_id, "twilio", now=real_now,
                phone_number=bought["phone_number"], phone_number_id=bought["number_sid"],
            )  # fmt: skip
            workspaces.upsert_integration(
                connection, row.workspace_id, "whatsapp", now=real_now,
                phone_number=bought["phone_number"], phone_number_id=number_id,
                details={**known, workspaces.FORMER_NUMBERS: [one for one in former if one][-REMEMBERED:]},
            )  # fmt: skip
            number_store.change_standing(
                connection, row.workspace_id,
                {"quality": "unknown", "status": None, "name_status": None,
                 "throughput": number_store.FIRST_THROUGHPUT, "marketing_frozen_until": None},
                now,
            )  # fmt: skip
            moved = {"moved_at": now, "new_whatsapp_id": number_id, "waits_on": None, "wait_reason": None}
            store.change_replacement(connection, row.workspace_id, row.id, moved)
            self._waits_no_more(connection, row)
            audit.record(
                connection, actor=audit.SYSTEM, action="provisioning.number_replaced",
                subject=f"number:{bought['number_sid']}", now=real_now, workspace_id=row.workspace_id,
                correlation_id=row.correlation_id, details={"instead_of": row.old_number_sid},
            )  # fmt: skip
            audit.tell(
                connection, row.workspace_id, key=f"replaced:{row.id}", type="number.replaced", now=now,
                text=f"{row.why} The studio's new number is {bought['phone_number']}.",
            )  # fmt: skip
            story = Cause(row.correlation_id)
            if bought["phone_number"] != row.old_number:
                notify_owner(connection, self._clocks, row.workspace_id, "number_replaced", str(row.id), story)
            number_news.ask_to_read(
                connection, self._clocks, row.workspace_id, occasion=f"replaced:{row.id}", story=story
            )

    def _give_back(self, row: Row[Any]) -> None:
        """Take the old number off WhatsApp, and release it."""
        with self._database.transaction(Scope.fleet()) as connection:
            twilio = workspaces.get_integration(connection, row.workspace_id, "twilio")
            whatsapp = workspaces.get_integration(connection, row.workspace_id, "whatsapp")
        whose = Returning(row.workspace_id, row.correlation_id)
        # What Twilio has taken away it may offer again: then the number is the same, and stays on WhatsApp.
        is_another = whatsapp is not None and whatsapp.phone_number_id != row.old_whatsapp_id
        if row.old_whatsapp_id is not None and is_another:
            token, old = unseal(self._box, whatsapp)["access_token"], row.old_whatsapp_id
            if traces.is_registered(self._graph, token, old):
                self._giving_back.once(
                    whose, traces.DEREGISTERED_NUMBER, f"{old}:{row.id}", lambda: self._graph.deregister(token, old),
                    lambda: not traces.is_registered(self._graph, token, old),
                )  # fmt: skip
        if twilio is not None and twilio.external_id is not None:
            account = by_token(twilio.external_id, unseal(self._box, twilio))
            self._giving_back.release_number(whose, account, row.old_number_sid)

    def _wait(self, row: Row[Any], waits: Wait, work: Work[Any]) -> None:
        self._keep_wait(row, waits)
        with self._database.transaction(Scope.fleet()) as connection:
            again = self._clocks.real.now() + LOOK_AGAIN
            _enqueue(
                connection, self._clocks, row.workspace_id, row.id, f"again:{work.position}:{work.fencing_token}",
                work.cause, due_at=again,
            )  # fmt: skip

    def _keep_wait(self, row: Row[Any], waits: Wait) -> None:
        with self._database.transaction(Scope.fleet()) as connection:
            workspaces.get_integration(connection, row.workspace_id, "twilio", hold=True)
            values = {"waits_on": waits.on, "wait_reason": waits.reason}
            store.change_replacement(connection, row.workspace_id, row.id, values)
            story = Cause(row.correlation_id)
            number_waits.begin(connection, self._clocks, row.workspace_id, number_waits.REPLACEMENT, waits, story)

    def _waits_no_more(self, connection: Connection, row: Row[Any]) -> None:
        story = Cause(row.correlation_id)
        number_waits.end(connection, self._clocks, row.workspace_id, number_waits.REPLACEMENT, story)

    def _change(self, row: Row[Any], values: Mapping[str, Any]) -> None:
        with self._database.transaction(Scope.fleet()) as connection:
            store.change_replacement(connection, row.workspace_id, row.id, values)

    def _end(self, work: Work[Any], row: Row[Any], outcome: str) -> None:
        now = self._clocks.business.now()
        with self._database.transaction(Scope.fleet()) as connection:
            values = {"ended_at": now, "outcome": outcome, "waits_on": None, "wait_reason": None}
            store.change_replacement(connection, row.workspace_id, row.id, values)
            self._waits_no_more(connection, row)
            audit.record(
                connection, actor=audit.SYSTEM, action="provisioning.replacement_ended",
                subject=f"number:{row.old_number_sid}", now=self._clocks.real.now(), workspace_id=row.workspace_id,
                correlation_id=row.correlation_id, details={"outcome": outcome},
            )  # fmt: skip
            if outcome == REPLACED:
                # What ailed the studio is over once its new number has been looked at.
                look = QueuedJob(
                    payload=LookAtChannels(), key=f"look:replaced:{row.id}", workspace_id=row.workspace_id,
                    unique_key=LOOK_NOW, concurrency=at_a_time(row.workspace_id),
                )  # fmt: skip
                enqueue(connection, self._clocks, [look], work.cause)


def _enqueue(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    replacement_id: UUID,
    cause: str,
    story: Cause,
    *,
    due_at: datetime | None = None,
) -> None:
    job = QueuedJob(
        payload=ReplaceNumber(replacement_id=replacement_id),
        key=f"{replacement_id}:{cause}",
        workspace_id=workspace_id,
        due_at=due_at,
        concurrency=at_a_time(workspace_id),
    )
    enqueue(connection, clocks, [job], story)
