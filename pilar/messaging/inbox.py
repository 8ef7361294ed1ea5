"""WhatsApp's deliveries, item by item. What belongs here: to whom each item belongs and which rule takes it.

A delivery holds any number of entries, changes, messages and statuses. Each item is worked on by itself, so that one
that can't be read fails none of its neighbours; what nobody here works on is counted and passed over, and the
delivery itself stays in the inbox.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import working_again
from pilar.backplane.handlers import Delivery, Work
from pilar.clocks import Clocks
from pilar.errors import Invalid
from pilar.messaging import consent, receiving, statuses, templates
from pilar.messaging.zones import country_of
from pilar.providers.whatsapp import deliveries
from pilar.providers.whatsapp.deliveries import InboundMessage, MessageStatus, Preference, TemplateStatus
from pilar.workspaces import store as workspaces


class WhatsAppInbox:
    """Reads WhatsApp's deliveries."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def on_delivery(self, connection: Connection, work: Work[Delivery]) -> dict[str, Any]:
        """Work on each item of a delivery; return how many of each kind there were."""
        try:
            document = json.loads(work.content.body)
        except ValueError as error:
            raise Invalid("The body is not JSON, though its signature is right.") from error
        studios = _Studios(connection)
        counts: Counter[str] = Counter()
        for change in deliveries.read(document):
            counts[self._take(connection, work, change, studios)] += 1
        return dict(counts)

    def _take(self, connection: Connection, work: Work[Delivery], change: deliveries.Change, studios: _Studios) -> str:
        if isinstance(change, TemplateStatus):
            studio = studios.of_account(change.account_id)
            if studio is None:
                return "nobodys"
            if replays := working_again.count_replays(connection, work.position):
                # What was decided then may have been decided anew since: how it stands now is asked for instead.
                occasion = f"{work.content.external_id}:{replays}"
                templates.ask_to_submit(connection, self._clocks, studio, occasion=occasion, story=work.cause)
                return "templates_asked_for"
            return templates.note_status(connection, self._clocks, studio, change, work.cause)
        if isinstance(change, InboundMessage | MessageStatus | Preference):
            studio = studios.of_number(change.phone_number_id)
            if studio is None:
                return "nobodys"
            if isinstance(change, InboundMessage):
                return receiving.receive(connection, self._clocks, studio, change, work)
            if isinstance(change, MessageStatus):
                return statuses.apply(connection, self._clocks, studio, change)
            return self._note_preference(connection, studio, change, work)
        return f"passed_over:{change.field}"

    def _note_preference(self, connection: Connection, studio: UUID, told: Preference, work: Work[Delivery]) -> str:
        """The lead said it to WhatsApp itself, by a button in its menu."""
        phone = f"+{told.sender}" if told.sender.isdigit() else None
        language = workspaces.load_configuration(connection, studio)[1].studio.language
        lead_id = receiving.lead_of(
            connection, studio, told.sender, phone, None, language, country_of(phone), self._clocks.business.now()
        )
        proof = f"preference:{work.content.external_id}:{told.at.isoformat()}"
        if told.opted_out:
            consent.withdraw(connection, self._clocks, studio, lead_id, "marketing", "provider", proof, work.cause)
        else:
            consent.grant(connection, self._clocks, studio, lead_id, "marketing", "provider", proof)
        return "preference"


class _Studios:
    """Whose number or account it is, looked up once per delivery."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], UUID | None] = {}

    def of_number(self, phone_number_id: str) -> UUID | None:
        return self._find("number", phone_number_id)

    def of_account(self, account_id: str) -> UUID | None:
        return self._find("account", account_id)

    def _find(self, kind: str, identity: str) -> UUID | None:
        key = (kind, identity)
        if key not in self._known:
            search = workspaces.find_integration_of_number if kind == "number" else workspaces.find_integration
            found = search(self._connection, "whatsapp", identity)
            self._known[key] = found.workspace_id if found else None
        return self._known[key]
