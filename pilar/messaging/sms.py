"""SMS by Twilio, for leads whom WhatsApp can't reach. What belongs here: handing over, and what comes back.

What does not: whether one goes at all (`verdict.py`), and the verification codes that come to a number while it is set
up (`provisioning`). Our id of a message comes back in the address of each status, so that one settles a send whose
outcome is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import effects
from pilar.backplane.handlers import Delivery, Work
from pilar.clocks import Clocks
from pilar.errors import Permanent
from pilar.ids import new_id
from pilar.messaging import consent, reactions, refusals, states, store
from pilar.messaging.rooms import People
from pilar.messaging.wording import Wish, may_refuse, wish_of
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.twilio.credentials import AUTH_TOKEN, of_account
from pilar.providers.twilio.deliveries import QUERY, fields_of
from pilar.workspaces import store as workspaces
from pilar.workspaces.store import Integration

if TYPE_CHECKING:
    from pilar.messaging.attempts import Outgoing

EFFECT = "twilio.send_sms"
_MESSAGE = "message"
_STATES = {
    "queued": states.ACCEPTED,
    "sending": states.ACCEPTED,
    "sent": states.SENT,
    "delivered": states.DELIVERED,
    "undelivered": states.FAILED,
    "failed": states.FAILED,
}
"""Twilio's words for what becomes of a message."""


class SmsSender:
    """Hands messages to Twilio."""

    def __init__(self, gateway: TwilioGateway, public_url: str) -> None:
        """Take the gateway, and our address as the world sees it: statuses are posted there."""
        self._gateway = gateway
        self._public_url = public_url

    def over(self, account: Integration | None, credentials: Mapping[str, str]) -> Callable[[Row[Any], Outgoing], str]:
        """What hands a message over from a studio's account."""

        def hand_over(row: Row[Any], out: Outgoing) -> str:
            if account is None or account.external_id is None or AUTH_TOKEN not in credentials:
                raise Permanent("The studio has no account at Twilio to send SMS from.")
            told_at = f"{self._public_url}/api/webhooks/twilio/status?{_MESSAGE}={row.id}"
            return self._gateway.send_sms(
                of_account(account.external_id, credentials),
                out.number,
                out.to,
                out.words,
                told_at=told_at,
            )

        return hand_over


class SmsInbox:
    """Reads what Twilio tells about SMS: their statuses, and what leads write."""

    def __init__(self, clocks: Clocks, people: People) -> None:
        self._clocks = clocks
        self._people = people

    def on_delivery(self, connection: Connection, work: Work[Delivery]) -> dict[str, Any]:
        """Fold a status, or keep what a lead wrote and do what it asks for; return what became of it."""
        form = fields_of(work.content.body, work.content.headers)
        integration = workspaces.find_integration(connection, "twilio", form.get("AccountSid", ""))
        if integration is None:
            return {"skipped": "the account belongs to no studio"}
        status = form.get("MessageStatus")
        if status is not None:
            return {"status": self._fold(connection, integration.workspace_id, form, status, work)}
        return {"sms": self._heard(connection, integration.workspace_id, form, work)}

    def _fold(
        self, connection: Connection, workspace_id: UUID, form: Mapping[str, str], status: str, work: Work[Delivery]
    ) -> str:
        found = _message_of(connection, workspace_id, form.get("MessageSid", ""), work.content.headers.get(QUERY, ""))
        state = _STATES.get(status)
        if found is None or state is None:
            return "of_unknown_message" if found is None else "unknown_status"
        lead = store.lock_lead(connection, workspace_id, found.lead_id)
        message = store.lock_message(connection, workspace_id, found.id)
        code = form.get("ErrorCode") or None
        now = self._clocks.real.now()
        values: dict[str, Any] = {}
        folded = states.fold(message.state, state)
        if folded != message.state:
            values["state"] = folded
            if folded == states.FAILED:
                values |= {"error_code": code, "error": f"Twilio could not deliver the SMS ({code or status})."}
        if message.provider_message_id is None:
            told = form["MessageSid"]
            values["provider_message_id"] = told
            effects.confirm(connection, EFFECT, str(message.id), {"id": told}, now)
        if message.accepted_at is None:
            values["accepted_at"] = now
        if values:
            store.change_message(connection, workspace_id, message.id, values)
        if values.get("state") == states.FAILED and code is not None:
            reactions.react(connection, self._clocks, message, lead, code, self._people)
        return folded

    def _heard(self, connection: Connection, workspace_id: UUID, form: Mapping[str, str], work: Work[Delivery]) -> str:
        lead = store.find_lead_by_phone(connection, workspace_id, form.get("From", ""))
        text = form.get("Body", "")
        if lead is None or not text:
            return "from_nobody_we_know"
        store.lock_lead(connection, workspace_id, lead.id)
        now = self._clocks.business.now()
        sid = form.get("MessageSid") or work.content.external_id
        stored = store.add_message(
            connection,
            {
                "workspace_id": workspace_id,
                "id": new_id(),
                "lead_id": lead.id,
                "direction": "in",
                "kind": "text",
                "channel": "sms",
                "state": "received",
                "origin": "lead",
                "text": text,
                "provider_message_id": sid,
                "cause": f"in:{sid}",
                "correlation_id": work.correlation_id,
                "occurred_at": now,
                "received_at": work.recorded_at,
            },
        )
        if stored is None:
            return "again"
        # No window opens: that is WhatsApp's. A person of the studio sees it as unread.
        store.ensure_conversation(connection, workspace_id, lead.id, now)
        store.note_unread(connection, workspace_id, lead.id, now)
        wish, proof = wish_of(text), f"message:{stored}"
        if wish in (Wish.STOP, Wish.STOP_EVERYWHERE):
            scope: consent.ConsentScope = "founder" if wish is Wish.STOP_EVERYWHERE else "all"
            consent.withdraw(
                connection, self._clocks, workspace_id, lead.id, scope, "wording", proof, work.cause, self._people
            )
            return "opt_out"  # Twilio itself answers a STOP
        if wish is Wish.START:
            consent.grant(connection, self._clocks, workspace_id, lead.id, "all", "keyword", proof, self._people)
        if may_refuse(text):
            refusals.doubt(connection, self._clocks, workspace_id, lead.id, stored, work.cause)
        return "kept"


def _message_of(connection: Connection, workspace_id: UUID, sid: str, query: str) -> Row[Any] | None:
    for given in parse_qs(query).get(_MESSAGE, []):
        try:
            found = store.find_message(connection, UUID(given))
        except ValueError:
            continue  # an address that is not ours in its query
        if found is not None and found.workspace_id == workspace_id and found.channel == "sms":
            return found
    return store.find_by_provider_id(connection, workspace_id, sid) if sid else None
