"""Handing a message to its provider, at most once.

What belongs here: the last verdict, the attempt, and how it ended, each in one transaction with the effect ledger's
record of it. What does not: the rule (`verdict.py`) and what a provider's refusal asks of us (`reactions.py`).

The verdict is made under the lead's lock in the transaction that records the attempt: an opt-out that was committed
before it is seen by it, and one that comes after finds the message gone. WhatsApp has no idempotency key: a send whose
outcome is unknown is settled by the status that carries our message's id back; without one marketing is never
repeated, and anything else once more after the wait. Of an e-mail nothing is told: there the policy alone decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent, PilarError, Transient
from pilar.masking import mask_text
from pilar.messaging import states, store
from pilar.messaging.attempts import Attempt, Decided, Outgoing, Rerouted, as_stored
from pilar.messaging.decisions import Channel
from pilar.messaging.events import SendMessage
from pilar.messaging.mails import EFFECT as MAIL_EFFECT
from pilar.messaging.mails import MailSender
from pilar.messaging.outbox import ask_to_send
from pilar.messaging.pictures import Pictures
from pilar.messaging.reactions import is_dead_letter
from pilar.messaging.rooms import People
from pilar.messaging.sms import EFFECT as SMS_EFFECT
from pilar.messaging.sms import SmsSender
from pilar.providers.whatsapp.client import GraphClient
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal
from pilar.workspaces.store import Integration

EFFECT = "whatsapp.send"
KINDS = {"whatsapp": EFFECT, "sms": SMS_EFFECT, "email": MAIL_EFFECT}
"""The kind of effect, by channel."""
MARKETING = "marketing"
_ACCOUNT = {"whatsapp": "whatsapp", "sms": "twilio"}
"""Whose account a message goes from, by channel; mail goes from the installation's own."""

LONGEST_WITH_MORE = 1_024
"""Characters of a text that has buttons or stands under a picture, by Meta's reference; a longer one goes without."""

MOST_UPLOADS = 2
"""How often a picture is tried: then its message goes without, and soon enough to be of use."""

_CALLBACK_PATIENCE = timedelta(minutes=1)
"""How long a status may take that settles a send whose outcome is unknown: they come within seconds."""


class Sender:
    """Hands messages over."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        graph: GraphClient,
        sms: SmsSender,
        mail: MailSender,
        ledger: EffectLedger,
        box: SecretBox,
        people: People,
        pictures: Pictures | None = None,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._sms = sms
        self._mail = mail
        self._ledger = ledger
        self._box = box
        self._people = people
        self._pictures = pictures

    def send(self, work: Work[SendMessage]) -> dict[str, Any]:
        """Send a message if the verdict allows it, and record what came of it.

        Raises:
            Transient: the provider did not take it now; the queue tries again.
        """
        with self._database.transaction(Scope.fleet()) as connection:
            row = store.find_message(connection, work.content.message_id, work.workspace_id)
            if row is None or row.state not in (*states.UNSENT, *states.IN_DOUBT):
                return {"state": row.state if row else "gone"}
            provider = _ACCOUNT.get(row.channel)
            account = workspaces.get_integration(connection, row.workspace_id, provider) if provider else None
        hand_over = self._hand_over(account, row, self._picture_of(row, account, work))
        attempt = Attempt(self._clocks, row, hand_over, self._people)
        try:
            self._ledger.perform(self.effect_of(row, attempt))
        except (Decided, Rerouted, PilarError) as error:
            return self.ended(row, error, work)
        return {"state": states.ACCEPTED}

    def effect_of(self, row: Row[Any], attempt: Attempt) -> Effect:
        """The effect that an attempt at a message is part of."""
        return Effect(
            kind=KINDS[row.channel],
            key=str(row.id),
            call=attempt.call,
            find=lambda: self._told(row),
            repeatable=row.category != MARKETING,
            risks=1,
            patience=_CALLBACK_PATIENCE,
            on_attempt=attempt.begin,
            on_close=attempt.close,
            hold=attempt.hold,
            request={"form": row.kind, "origin": row.origin},
            workspace_id=row.workspace_id,
            correlation_id=row.correlation_id,
        )

    def ended(self, row: Row[Any], error: Exception, work: Work[SendMessage]) -> dict[str, Any]:
        """What came of a message that did not go, kept with it; raise the error where the queue is to know of it."""
        if isinstance(error, Decided):
            return self._keep(row, error, work)
        if isinstance(error, Rerouted):
            return self._reroute(row, error.channel, work)
        if isinstance(error, Transient) and work.attempts >= work.max_attempts:
            return self._give_up(row, error)
        if isinstance(error, Permanent) and not is_dead_letter(error):
            return {"state": states.FAILED, "error": mask_text(error.message)}
        raise error

    def _picture_of(self, row: Row[Any], account: Integration | None, work: Work[SendMessage]) -> str | None:
        """Meta's id of the picture that goes with a message; None: it goes without."""
        if self._pictures is None or row.channel != "whatsapp" or not (row.details or {}).get("picture"):
            return None
        return self._pictures.uploaded(row, account, is_last_try=work.attempts >= MOST_UPLOADS)

    def _hand_over(
        self, account: Integration | None, row: Row[Any], picture: str | None
    ) -> Callable[[Row[Any], Outgoing], str]:
        """What calls the provider; a studio without credentials gets as far as the verdict, which says so."""
        if row.channel == "email":
            return self._mail
        is_sealed = account is not None and account.sealed_credentials is not None
        credentials = unseal(self._box, account) if is_sealed else {}
        if row.channel == "sms":
            return self._sms.over(account, credentials)
        return OverWhatsApp(self._graph, credentials.get("access_token", ""), picture)

    def _reroute(self, row: Row[Any], channel: Channel, work: Work[SendMessage]) -> dict[str, Any]:
        """Have a message go by another channel."""
        with self._database.transaction(Scope.fleet()) as connection:
            current = store.lock_message(connection, row.workspace_id, row.id)
            if current.state not in states.UNSENT or current.channel == channel:
                return {"state": current.state}
            store.change_message(connection, row.workspace_id, row.id, {"channel": channel, "state": states.QUEUED})
            ask_to_send(
                connection, self._clocks, row.workspace_id, row.id, work.cause, occasion=f"by:{channel}:{work.id}"
            )
        return {"channel": channel}

    def _told(self, row: Row[Any]) -> Mapping[str, Any] | None:
        """What a status has told meanwhile of a send in doubt."""
        with self._database.transaction(Scope.fleet()) as connection:
            now = store.get_message(connection, row.workspace_id, row.id)
        return {"id": now.provider_message_id} if now.provider_message_id else None

    def _keep(self, row: Row[Any], decided: Decided, work: Work[SendMessage]) -> dict[str, Any]:
        """Record a verdict that was not to send; what is kept back until a moment is asked for again then."""
        state = {"refuse": states.REFUSED, "hold": states.HELD, "dry_run": states.DRY_RUN}[decided.verdict.action]
        with self._database.transaction(Scope.fleet()) as connection:
            current = store.lock_message(connection, row.workspace_id, row.id)
            if current.state not in (*states.UNSENT, *states.IN_DOUBT):
                return {"state": current.state}  # withdrawn meanwhile
            store.change_message(
                connection,
                row.workspace_id,
                row.id,
                {"state": state, "verdict": as_stored(decided.facts, decided.verdict)},
            )
            until = decided.verdict.until or decided.verdict.real_until
            if until is not None:
                ask_to_send(
                    connection,
                    self._clocks,
                    row.workspace_id,
                    row.id,
                    work.cause,
                    occasion=f"until:{until.isoformat()}",
                    not_before=until,
                    business_time=decided.verdict.until is not None,
                )
        return {"state": state, "reasons": [reason.code for reason in decided.verdict.reasons]}

    def _give_up(self, row: Row[Any], error: Transient) -> dict[str, Any]:
        values = {"state": states.FAILED, "error": mask_text(error.message), "error_code": error.code}
        with self._database.transaction(Scope.fleet()) as connection:
            current = store.lock_message(connection, row.workspace_id, row.id)
            if current.state in states.IN_DOUBT:
                values["state"] = states.UNKNOWN
            store.change_message(connection, row.workspace_id, row.id, values)
        return {"state": values["state"], "error": values["error"]}


class OverWhatsApp:
    """Hands a message to WhatsApp; our id comes back with its statuses."""

    def __init__(self, graph: GraphClient, token: str, picture: str | None = None) -> None:
        self._graph = graph
        self._token = token
        self._picture = picture

    def __call__(self, row: Row[Any], out: Outgoing) -> str:
        """Hand a message over, and return WhatsApp's id of it."""
        callback = str(row.id)
        if out.form == "text" and self._picture and len(out.words) <= LONGEST_WITH_MORE:
            return self._graph.send_image(self._token, out.number, out.to, self._picture, out.words, callback=callback)
        buttons = {one["id"]: one["title"] for one in (row.details or {}).get("buttons", ())}
        if out.form == "text" and buttons and len(out.words) <= LONGEST_WITH_MORE:
            return self._graph.send_buttons(self._token, out.number, out.to, out.words, buttons, callback=callback)
        if out.form == "text":
            return self._graph.send_text(self._token, out.number, out.to, out.words, callback=callback)
        return self._graph.send_template(
            self._token,
            out.number,
            out.to,
            out.template,
            out.language,
            row.template_parameters or [],
            callback=callback,
        )
