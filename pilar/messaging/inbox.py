"""WhatsApp's deliveries, item by item. What belongs here: to whom each item belongs and which rule takes it.

A delivery holds any number of entries, changes, messages and statuses. Each item is worked on by itself, so that one
that can't be read, or that its studio can't take, fails none of its neighbours; what nobody here works on is counted
and passed over, and the delivery itself stays in the inbox.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from pilar.backplane import working_again
from pilar.backplane.facts import emit
from pilar.backplane.handlers import ALONE, Delivery, Left, Work
from pilar.backplane.notices import IncidentRequested, incident
from pilar.backplane.received import body_of
from pilar.backplane.shredding import shred_one
from pilar.clocks import Clocks
from pilar.errors import Invalid, Permanent
from pilar.messaging import consent, number_news, receiving, statuses, statuses_together, templates
from pilar.messaging.erasing import names_of_studio
from pilar.messaging.identity import recognise
from pilar.messaging.rooms import People
from pilar.messaging.statuses_together import StudioStatus
from pilar.messaging.zones import country_of
from pilar.providers.whatsapp import deliveries
from pilar.providers.whatsapp.account_news import AccountNews
from pilar.providers.whatsapp.call_events import Call
from pilar.providers.whatsapp.deliveries import (
    Change,
    InboundMessage,
    MessageStatus,
    Preference,
    TemplateQuality,
    TemplateStatus,
)
from pilar.workspaces import store as workspaces

SIGNED_FOR = "signed_for"
"""The header of a kept delivery that names the studios whose own app signed it: it speaks for these alone."""

_ITS_OWN_FAULT = (Permanent, DataError, IntegrityError)
"""What an item fails with that will fail again; everything else has the whole delivery tried again."""
_UNTIDY = re.compile(r"[^A-Za-z0-9_.]")
_LABELS_AT_MOST = 50


class WhatsAppInbox:
    """Reads WhatsApp's deliveries."""

    def __init__(self, clocks: Clocks, people: People) -> None:
        self._clocks = clocks
        self._people = people

    def on_delivery(self, connection: Connection, work: Work[Delivery]) -> dict[str, Any]:
        """Work on each item of a delivery; return how many of each kind there were.

        An item that fails for good fails the delivery where it is the only one. Among others it is left out, counted,
        and told as an incident that names the delivery.
        """
        try:
            document = json.loads(work.content.body)
        except (ValueError, RecursionError) as error:
            raise Invalid("The body is not JSON, though its signature is right.") from error
        changes = deliveries.read(document)
        studios = _Studios(connection, work.content.headers.get(SIGNED_FOR))
        if len(changes) < 2:
            return _counted(self._take(connection, work, change, studios) for change in changes)
        try:
            with connection.begin_nested():
                return _counted(self._take(connection, work, change, studios) for change in changes)
        except _ITS_OWN_FAULT:
            return _counted(self._one_by_one(connection, work, changes, studios))

    def on_deliveries(
        self, connection: Connection, works: Sequence[Work[Delivery]]
    ) -> list[dict[str, Any] | Literal[Left.ALONE]]:
        """Work on those deliveries at once that hold nothing but plain statuses; leave all others alone."""
        plain = {place: told for place, work in enumerate(works) if (told := _plain_statuses(work.content.body))}
        numbers = {one.phone_number_id for told in plain.values() for one in told}
        studios = workspaces.studios_of_numbers(connection, "whatsapp", numbers) if numbers else {}
        ours = {
            place: [StudioStatus(studios[one.phone_number_id], one) for one in told]
            for place, told in plain.items()
            if all(_may_hear(works[place], studios.get(one.phone_number_id)) for one in told)
        }
        became = statuses_together.fold_groups(connection, list(ours.values()))
        done = {place: _counted(became[nth]) for nth, place in enumerate(ours) if nth in became}
        return [done.get(place, ALONE) for place in range(len(works))]

    def _one_by_one(
        self, connection: Connection, work: Work[Delivery], changes: Sequence[Change], studios: _Studios
    ) -> list[str]:
        became = []
        for change in changes:
            try:
                with connection.begin_nested():
                    became.append(self._take(connection, work, change, studios))
            except _ITS_OWN_FAULT as error:
                code = error.code if isinstance(error, Permanent) else "refused_by_database"
                became.append(f"failed:{code}")
        if failed := sorted({what for what in became if what.startswith("failed:")}):
            request = IncidentRequested(
                dedupe_key="messaging:items",
                title="Parts of a WhatsApp delivery could not be worked on",
                description=f"Delivery {work.id}: {', '.join(failed)}. All its other parts are done.",
                severity="medium",
                component="messaging",
            )
            emit(connection, self._clocks, [incident(request, key=f"items:{work.id}")], work.cause)
        return became

    def _take(self, connection: Connection, work: Work[Delivery], change: Change, studios: _Studios) -> str:
        if isinstance(change, deliveries.Unknown):
            return _passed_over(change.field, change.kind)
        if isinstance(change, TemplateStatus | TemplateQuality | AccountNews):
            studio = studios.of_account(change.account_id)
        else:
            studio = studios.of_number(change.phone_number_id, change.account_id)
        if studio is None:
            return "nobodys"
        if not studios.may_hear(studio):
            return "signed_for_another"
        if isinstance(change, TemplateStatus):
            if replays := working_again.count_replays(connection, work.position):
                # What was decided then may have been decided anew since: how it stands now is asked for instead.
                occasion = f"{work.content.external_id}:{replays}"
                templates.ask_to_submit(connection, self._clocks, studio, occasion=occasion, story=work.cause)
                return "templates_asked_for"
            return templates.note_status(
                connection, self._clocks, studio, change, work.cause, occasion=work.content.external_id
            )
        if isinstance(change, TemplateQuality):
            # Scores come in any order and without a moment: which one holds is asked for.
            occasion = f"quality:{work.content.external_id}:{change.name}:{change.language}"
            templates.ask_to_submit(connection, self._clocks, studio, occasion=occasion, story=work.cause)
            return "templates_asked_for"
        if isinstance(change, AccountNews):
            return number_news.note(
                connection, self._clocks, studio, change, work.cause, occasion=work.content.external_id
            )
        if isinstance(change, InboundMessage):
            if change.group_id is not None:
                # An answer would go to the one who wrote, alone, about what was said among many.
                return _passed_over("messages", "group")
            if change.kind in receiving.REVISIONS:
                return receiving.revise(connection, self._clocks, studio, change, work, self._people)
            if change.kind in receiving.NOT_WRITTEN:
                return _passed_over("messages", change.kind)
            became = receiving.receive(connection, self._clocks, studio, change, work, self._people)
            return self._shred_if_erased(connection, work, studio, became, (change.sender, change.id))
        if isinstance(change, Call):
            became = receiving.note_call(connection, self._clocks, studio, change, work.cause, self._people)
            return self._shred_if_erased(connection, work, studio, became, (change.sender, change.id))
        if isinstance(change, MessageStatus):
            became = statuses.apply(connection, self._clocks, studio, change, self._people)
            return self._shred_if_erased(
                connection, work, studio, became, (change.message_id, change.recipient or change.message_id)
            )
        return self._note_preference(connection, studio, change, work)

    def _note_preference(self, connection: Connection, studio: UUID, told: Preference, work: Work[Delivery]) -> str:
        """The lead said it to WhatsApp itself, by a button in its menu."""
        phone = f"+{told.sender}" if told.sender.isdigit() else None
        language = workspaces.load_configuration(connection, studio)[1].studio.language
        values = receiving.new_lead(phone, None, language, country_of(phone), self._clocks.business.now())
        names = (told.sender, None) if phone else (None, told.sender)
        lead = recognise(connection, self._clocks, studio, names, values, work.cause, self._people)
        proof = f"preference:{work.content.external_id}:{told.at.isoformat()}"
        clocks, people = self._clocks, self._people
        if told.opted_out:
            consent.withdraw(connection, clocks, studio, lead.id, "marketing", "provider", proof, work.cause, people)
        else:
            consent.grant(connection, clocks, studio, lead.id, "marketing", "provider", proof, people)
        return "preference"

    def _shred_if_erased(
        self, connection: Connection, work: Work[Delivery], studio: UUID, became: str, names: tuple[str, str]
    ) -> str:
        """What came late of a person who is erased does not stay in the inbox either."""
        if became == receiving.BEFORE_ERASURE:
            body = body_of(connection, work.id)
            shred_one(connection, work.position, body, names, names_of_studio(connection, studio))
        return became


def _counted(became: Iterable[str]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for what in became:
        # Words of the sender's making are among them: there may be any number of them.
        counts[what if what in counts or len(counts) < _LABELS_AT_MOST else "others"] += 1
    return dict(counts)


def _passed_over(field: str, kind: str) -> str:
    return "passed_over:" + ".".join(_UNTIDY.sub("_", part)[:40] for part in (field, kind) if part)


def _plain_statuses(body: bytes) -> list[MessageStatus]:
    """The statuses of a delivery that holds nothing else, each of them plain; none of any other."""
    if b'"statuses"' not in body:
        return []
    try:
        changes = deliveries.read(json.loads(body))
    except (ValueError, RecursionError):
        return []  # told as what it is where it is worked on alone
    told = [one for one in changes if isinstance(one, MessageStatus) and statuses_together.is_plain(one)]
    return told if len(told) == len(changes) else []


def _may_hear(work: Work[Delivery], studio: UUID | None) -> bool:
    """Whether the delivery may speak to a studio that is known."""
    signed_for = work.content.headers.get(SIGNED_FOR)
    return studio is not None and (signed_for is None or str(studio) in signed_for.split(","))


class _Studios:
    """Whose number or account it is, looked up once per delivery, and whom the delivery may speak for."""

    def __init__(self, connection: Connection, signed_for: str | None) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], UUID | None] = {}
        self._former: dict[UUID, tuple[str, ...]] = {}
        self._signed_for = None if signed_for is None else frozenset(signed_for.split(","))

    def may_hear(self, studio: UUID) -> bool:
        """Whether whoever signed the delivery may speak to that studio; the platform's app may speak to all."""
        return self._signed_for is None or str(studio) in self._signed_for

    def of_number(self, phone_number_id: str, account_id: str) -> UUID | None:
        """Whose number it is, or was before it was replaced: statuses and answers come late."""
        found = self._find("number", phone_number_id)
        if found is None and (account := self._find("account", account_id)) is not None:
            return account if phone_number_id in self._former.get(account, ()) else None
        return found

    def of_account(self, account_id: str) -> UUID | None:
        return self._find("account", account_id)

    def _find(self, kind: str, identity: str) -> UUID | None:
        key = (kind, identity)
        if key not in self._known:
            search = workspaces.find_integration_of_number if kind == "number" else workspaces.find_integration
            found = search(self._connection, "whatsapp", identity)
            self._known[key] = found.workspace_id if found else None
            if found is not None:
                self._former[found.workspace_id] = tuple(found.details.get(workspaces.FORMER_NUMBERS, ()))
        return self._known[key]
