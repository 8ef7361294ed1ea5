"""How WhatsApp stands to a studio's number, kept up to date: by webhooks as hints, and by asking.

What belongs here: taking news in, asking WhatsApp, and the sweep over all numbers that heals what a lost webhook left
wrong. What does not: the rules (`number_rules.py`), SQL (`number_store.py`), and who is told (`provisioning`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause, Concurrency, Event, Job, Lane, emit, enqueue
from pilar.backplane.handlers import Work
from pilar.backplane.notices import IncidentRequested, incident
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import CredentialsRefused, Permanent
from pilar.messaging import number_rules, number_store
from pilar.messaging.events import AccountTold, NumberChanged, ReadNumber
from pilar.messaging.number_store import NumberStanding
from pilar.providers.whatsapp.account_news import NAME, AccountNews
from pilar.providers.whatsapp.client import GraphClient
from pilar.providers.whatsapp.standing import read_account, read_number
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal

AFTER_EXPIRY = timedelta(minutes=10)
"""How long after a restriction's end the news of it is waited for."""


def ask_to_read(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    *,
    occasion: str,
    story: Cause,
    not_before: datetime | None = None,
    lane: Lane = Lane.DEFAULT,
) -> None:
    """Have WhatsApp asked about a studio's number; many who ask at once are one.

    Args:
        connection: the transaction of what asks for it.
        clocks: both clocks.
        workspace_id: the studio.
        occasion: why; the same occasion asks once.
        story: what it belongs to.
        not_before: business time; None: now.
        lane: the queue's.
    """
    job = Job(
        payload=ReadNumber(),
        key=f"number:{occasion}",
        workspace_id=workspace_id,
        lane=lane,
        due_at=not_before,
        business_time=not_before is not None,
        unique_key="number:now" if not_before is None else None,
        concurrency=Concurrency(f"number:{workspace_id}"),
    )
    enqueue(connection, clocks, [job], story)


def note(
    connection: Connection, clocks: Clocks, workspace_id: UUID, news: AccountNews, story: Cause, *, occasion: str
) -> str:
    """Take news in: what is plainly newer holds at once, and WhatsApp is asked in any case.

    Returns:
        What became of it, in one word.
    """
    now = clocks.business.now()
    became = "number_asked_for"
    if news.ban is not None or news.restrictions is not None:
        number_store.ensure_standing(connection, workspace_id, now)
        known = number_store.standing_of(connection, workspace_id, hold=True)
        changes = number_rules.fold(known, news)
        if changes is not None:
            _keep(connection, clocks, workspace_id, known, {**changes, "heard_at": now}, story)
            became = "number"
            if until := changes["restricted_until"]:
                # Should the news of its end get lost, WhatsApp is asked.
                ask_to_read(
                    connection, clocks, workspace_id, occasion=f"expiry:{until.isoformat()}", story=story,
                    not_before=until + AFTER_EXPIRY,
                )  # fmt: skip
    if news.field == NAME:
        number_store.ensure_standing(connection, workspace_id, now)
        number_store.change_standing(connection, workspace_id, {"name_reason": news.reason}, now)
    name = f"{occasion}:{news.field}:{news.event}"
    told = Event(
        payload=AccountTold(field=news.field), key=name, aggregate=("number", str(workspace_id)),
        workspace_id=workspace_id,
    )  # fmt: skip
    emit(connection, clocks, [told], story)
    ask_to_read(connection, clocks, workspace_id, occasion=f"news:{name}", story=story)
    return became


class NumberKeeper:
    """Asks WhatsApp how numbers stand."""

    def __init__(self, database: Database, clocks: Clocks, graph: GraphClient, box: SecretBox) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._box = box

    def on_job(self, work: Work[ReadNumber]) -> dict[str, Any]:
        """Ask, and keep the answer unless something newer is known since.

        Where the studio has taken its permission away, that is an incident of the kind that a message refused for it
        would be.

        Raises:
            Transient: WhatsApp does not answer.
        """
        if work.workspace_id is None:
            raise Permanent("A number belongs to a studio, and this work names none.")
        with self._database.transaction(Scope.fleet()) as connection:
            account = workspaces.get_integration(connection, work.workspace_id, "whatsapp")
        if account is None or account.external_id is None or account.phone_number_id is None:
            return {"skipped": "the studio has no number on WhatsApp"}
        if account.state == "closed" or account.sealed_credentials is None:
            return {"skipped": "the studio has given its number back"}
        token = unseal(self._box, account)["access_token"]
        begun = self._clocks.business.now()
        try:
            number = read_number(self._graph, token, account.phone_number_id)
            there = read_account(self._graph, token, account.external_id)
        except CredentialsRefused as error:
            return self._refused(work, work.workspace_id, error)
        with self._database.transaction(Scope.fleet()) as connection:
            now_on = workspaces.get_integration(connection, work.workspace_id, "whatsapp", hold=True)
            if now_on is None or now_on.phone_number_id != account.phone_number_id:
                return {"skipped": "the studio has another number by now"}
            number_store.ensure_standing(connection, work.workspace_id, begun)
            known = number_store.standing_of(connection, work.workspace_id, hold=True)
            changes = number_rules.judge(known, number, there, begun)
            told = _keep(connection, self._clocks, work.workspace_id, known, changes, work.cause)
        return {"status": number.status.lower(), "told": told}

    def _refused(self, work: Work[ReadNumber], workspace_id: UUID, error: CredentialsRefused) -> dict[str, Any]:
        code = str(error.details.get("provider_code") or "190")
        request = IncidentRequested(
            dedupe_key=f"whatsapp:{code}:{workspace_id}",
            title="A studio's WhatsApp account has to be connected again",
            description=f"Code {code}: WhatsApp refuses our permission when it is asked about the number.",
            severity="high",
            component="whatsapp_integration",
        )
        with self._database.transaction(Scope.fleet()) as connection:
            asked = incident(request, key=f"{code}:{work.id}", workspace_id=workspace_id)
            emit(connection, self._clocks, [asked], work.cause)
        return {"refused": code}


def _keep(
    connection: Connection, clocks: Clocks, workspace_id: UUID, known: NumberStanding, changes: Any, story: Cause
) -> list[str]:
    if not changes:
        return []
    now = clocks.business.now()
    number_store.change_standing(connection, workspace_id, changes, now)
    told = number_rules.changed(known, replace(known, **changes))
    events = [
        Event(
            payload=NumberChanged(what=what),
            key=f"{what}:{now.isoformat()}",
            aggregate=("number", str(workspace_id)),
            workspace_id=workspace_id,
        )
        for what in told
    ]
    emit(connection, clocks, events, story)
    return told
