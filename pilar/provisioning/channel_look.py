"""Looking at studios' channels at their providers: are number and key there, and do webhooks come to us?

What belongs here: when it is looked, at which studios, what is found, and who has to act. What does not: pointing
webhooks to us again (`drift.py`), making a key anew (`key_drift.py`), getting another number (`replacing.py`), and the
words and SQL of them.

A look is taken of each studio every few hours of real time, in portions; and when somebody has a reason to ask for it.
A webhook with a wrong signature is no reason: strangers send those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause, Job, Lane, emit, enqueue
from pilar.backplane.handlers import Work
from pilar.backplane.notices import IncidentRequested, end_incidents, incident
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import CredentialsRefused, NotFound, Permanent
from pilar.messaging import number_news, templates
from pilar.providers.twilio.client import NumberSettings, TwilioGateway
from pilar.providers.twilio.credentials import TwilioCredentials, by_token, of_account
from pilar.provisioning import parent_trouble, prerequisite_steps, twilio_store
from pilar.provisioning import replacement_store as store
from pilar.provisioning.drift import LEFT, Drift
from pilar.provisioning.events import LookAtChannels
from pilar.provisioning.key_drift import REFUSED_SMS, KeyDrift
from pilar.provisioning.replacing import LOOK_NOW, Replacer, at_a_time
from pilar.provisioning.steps import WaitsOn
from pilar.provisioning.subscription import notify_owner
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal
from pilar.workspaces.store import Integration

EVERY = timedelta(hours=6)
"""Real time: each studio's channels are looked at so often, whatever became of the webhooks."""
PORTION = 200
"""Studios that one sweep asks for: 10,000 of them in an hour, where a sweep comes each minute."""

NO_KEY = "The studio's account at Twilio has no API key of ours yet."
DEAD_KEY = "Twilio refuses the API key of the studio's account, and not the account itself."

Trouble = Literal["number_gone", "own_number_gone", "account_suspended", "parent_suspended"]


@dataclass(frozen=True)
class Found:
    """What ails a studio's number at Twilio.

    Attributes:
        trouble: what it is; None: nothing.
        waits_on: who has to act; None: nobody, it heals by itself.
        reason: what happened, as a sentence.
        there: how the number stands, where it could be asked for.
        is_key_dead: Twilio refuses the account's key, and not its token.
    """

    trouble: Trouble | None = None
    waits_on: WaitsOn | None = None
    reason: str | None = None
    there: NumberSettings | None = None
    is_key_dead: bool = False


def look_at_all(database: Database, clocks: Clocks, *, portion: int = PORTION) -> int:
    """Have the channels of those studios looked at whose turn it is; return how many those are."""
    now = clocks.real.now()
    with database.transaction(Scope.fleet()) as connection:
        due = store.take_due(connection, now, EVERY, portion)
        for workspace_id in due:
            occasion = f"turn:{now:%Y-%m-%dT%H}"
            ask_to_look(connection, clocks, workspace_id, occasion=occasion, story=Cause.new(), lane=Lane.BULK)
    return len(due)


def ask_to_look(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    *,
    occasion: str,
    story: Cause,
    lane: Lane = Lane.DEFAULT,
) -> None:
    """Have a studio's channels looked at, and its number and templates read; many who ask at once are one.

    Args:
        connection: the transaction of what asks for it.
        clocks: both clocks.
        workspace_id: the studio.
        occasion: why; the same occasion asks once.
        story: what it belongs to.
        lane: the queue's.
    """
    job = Job(
        payload=LookAtChannels(),
        key=f"look:{occasion}",
        workspace_id=workspace_id,
        lane=lane,
        unique_key=LOOK_NOW,
        concurrency=at_a_time(workspace_id),
    )
    enqueue(connection, clocks, [job], story)
    number_news.ask_to_read(connection, clocks, workspace_id, occasion=f"look:{occasion}", story=story, lane=lane)
    templates.ask_to_submit(connection, clocks, workspace_id, occasion=f"look:{occasion}", story=story)


class ChannelLooker:
    """Looks, and sees to what it finds."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        twilio: TwilioGateway,
        box: SecretBox,
        drift: Drift,
        keys: KeyDrift,
        replacer: Replacer,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._twilio = twilio
        self._box = box
        self._drift = drift
        self._keys = keys
        self._replacer = replacer

    def on_hint(self, connection: Connection, work: Work[Any]) -> dict[str, Any]:
        """Somebody has asked whether a studio's channels work: look."""
        if work.workspace_id is None:
            return {"skipped": "all studios are looked at in turn"}
        ask_to_look(connection, self._clocks, work.workspace_id, occasion=f"hint:{work.id}", story=work.cause)
        return {"asked_for": str(work.workspace_id)}

    def on_refusal(self, connection: Connection, work: Work[IncidentRequested]) -> dict[str, Any]:
        """A studio's SMS was refused for its credentials: look, once an hour, whether the key is dead."""
        studio = work.workspace_id
        if studio is None or work.content.dedupe_key != REFUSED_SMS.format(studio):
            return {"skipped": "it tells nothing of a key"}
        occasion = f"refused:{self._clocks.real.now():%Y-%m-%dT%H}"
        ask_to_look(connection, self._clocks, studio, occasion=occasion, story=work.cause)
        return {"asked_for": str(studio)}

    def on_job(self, work: Work[LookAtChannels]) -> dict[str, Any]:
        """Look at number and key at Twilio, then at WhatsApp's webhooks, and see to what is found.

        Raises:
            Transient: a provider can't be asked now.
        """
        workspace_id = work.workspace_id
        if workspace_id is None:
            raise Permanent("Channels belong to a studio, and this work names none.")
        with self._database.transaction(Scope.fleet()) as connection:
            studio = workspaces.get_workspace(connection, workspace_id)
            twilio = workspaces.get_integration(connection, workspace_id, "twilio")
            whatsapp = workspaces.get_integration(connection, workspace_id, "whatsapp")
        if studio.state not in ("active", "suspended"):
            return {"skipped": f"the studio is {studio.state}"}
        result: dict[str, Any] = {}
        found = Found()
        if twilio is not None and twilio.state == "connected" and twilio.phone_number_id is not None:
            found = self._number(workspace_id, twilio)
            self._keep(work, workspace_id, found, was_asked=True)
            result["trouble"] = found.trouble
        else:
            self._keep(work, workspace_id, found, was_asked=False)
        if twilio is not None and twilio.sealed_credentials is not None and found.trouble not in _REFUSED:
            result["key"] = self._key(work, workspace_id, twilio, found)
        if found.trouble == "number_gone" and studio.state == "active":
            # For one that does not pay nothing is bought; the look after it has paid sees to it.
            result["replacing"] = self._replacer.begin(work, workspace_id, found.reason or "")
        elif twilio is not None and found.there is not None and result.get("key") != LEFT:
            result["sms"] = self._drift.mend_sms(work, twilio, found.there)
        if whatsapp is not None and whatsapp.state == "connected":
            result["whatsapp"] = self._drift.mend_whatsapp(work, whatsapp)
            with self._database.transaction(Scope.fleet()) as connection:
                # What WhatsApp wants is read once its webhooks are mended: else they would be shown as missing.
                prerequisite_steps.ask_to_read(
                    connection, self._clocks, workspace_id, occasion=f"look:{work.id}", story=work.cause, lane=Lane.BULK
                )
        return result

    def _key(self, work: Work[Any], workspace_id: UUID, account: Integration, found: Found) -> str:
        """See to the key; that it is dead shows where a call was made with it."""
        key_sid = of_account(account.external_id or "", unseal(self._box, account)).key_sid
        ails = NO_KEY if key_sid is None else DEAD_KEY if found.is_key_dead else None
        return self._keys.mend(work, workspace_id, key_sid, ails)

    def _number(self, workspace_id: UUID, account: Integration) -> Found:
        sid, kept = account.external_id or "", unseal(self._box, account)
        by_key = of_account(sid, kept)
        try:
            return self._standing(workspace_id, account, by_key)
        except CredentialsRefused:
            if by_key.key_sid is None:
                return self._refused(workspace_id, sid)
        try:
            found = self._standing(workspace_id, account, by_token(sid, kept))
        except CredentialsRefused:
            return self._refused(workspace_id, sid)
        return replace(found, is_key_dead=True)

    def _standing(self, workspace_id: UUID, account: Integration, credentials: TwilioCredentials) -> Found:
        try:
            there = self._twilio.number_settings(credentials, account.phone_number_id or "")
        except NotFound:
            return self._lost(workspace_id, account, f"Twilio does not have {account.phone_number} any more.")
        if there.status == "suspended":
            return self._lost(workspace_id, account, f"Twilio has suspended {account.phone_number}.")
        return Found(there=there)

    def _lost(self, workspace_id: UUID, account: Integration, reason: str) -> Found:
        """The number alone is lost: one that we bought is replaced, one that the studio brought is the studio's."""
        with self._database.transaction(Scope.fleet()) as connection:
            is_ours = store.is_bought_by_us(connection, workspace_id, account.phone_number_id or "")
        if is_ours:
            return Found("number_gone", None, reason)
        return Found("own_number_gone", "studio", f"{reason} The studio has brought it, so it is the studio's to mend.")

    def _refused(self, workspace_id: UUID, sid: str) -> Found:
        """The account is refused: is it the account, or the one above it?"""
        with self._database.transaction(Scope.fleet()) as connection:
            parent = twilio_store.placement_of(connection, workspace_id)
        above = self._twilio.under(parent) if parent else self._twilio
        try:
            status = above.account_status(sid)
        except CredentialsRefused:
            reason = "Twilio refuses our own account above the studio's: it is suspended, or its token is wrong."
            return Found("parent_suspended", "us", reason)
        return Found("account_suspended", "twilio", f"Twilio has the studio's account as {status}: ask Twilio why.")

    def _keep(self, work: Work[Any], workspace_id: UUID, found: Found, *, was_asked: bool) -> None:
        """Keep what was found; who has to act is told when it begins, and that it is over when it is.

        `was_asked`: it was found by asking Twilio; else there is nothing there to ask for.
        """
        now, real_now = self._clocks.business.now(), self._clocks.real.now()
        with self._database.transaction(Scope.fleet()) as connection:
            workspaces.get_integration(connection, workspace_id, "twilio", hold=True)
            before = store.look_of(connection, workspace_id)
            known = before.trouble if before is not None else None
            above = self._above(connection, workspace_id) if parent_trouble.TROUBLE in (known, found.trouble) else None
            if above is not None:
                twilio_store.lock_parent(connection, above[0])
            values: dict[str, Any] = {
                "looked_at": real_now,
                "trouble": found.trouble,
                "waits_on": found.waits_on,
                "reason": found.reason,
            }
            if known != found.trouble:
                values["troubled_since"] = now if found.trouble else None
            store.keep_look(connection, workspace_id, values, look_at=real_now + EVERY)
            if above is not None and found.trouble == parent_trouble.TROUBLE:
                is_new = known != found.trouble
                parent_trouble.tell(
                    connection, self._clocks, *above, is_new=is_new, occasion=work.id, story=work.cause
                )  # fmt: skip
            elif above is not None and was_asked:
                parent_trouble.is_over(connection, self._clocks, *above, work.cause)
            if known == found.trouble:
                return
            if known is not None:
                end_incidents(
                    connection, self._clocks, [_key(known, workspace_id)], reason="A look has found it to be well.",
                    cause=work.cause, workspace_id=workspace_id,
                )  # fmt: skip
            if found.trouble not in (None, parent_trouble.TROUBLE):
                self._tell(connection, work, workspace_id, found, now)

    def _above(self, connection: Connection, workspace_id: UUID) -> tuple[str, str]:
        """Our account that a studio's is under, and the one that those without a place are under."""
        first = self._twilio.parents()[0].sid
        return twilio_store.placement_of(connection, workspace_id) or first, first

    def _tell(self, connection: Connection, work: Work[Any], workspace_id: UUID, found: Found, now: datetime) -> None:
        trouble = found.trouble or ""
        request = IncidentRequested(
            dedupe_key=_key(trouble, workspace_id),
            title=_TITLES[trouble],
            description=found.reason or "",
            severity="high",
            component="twilio_integration",
        )
        asked = incident(request, key=f"{trouble}:{work.id}", workspace_id=workspace_id)
        emit(connection, self._clocks, [asked], work.cause)
        if found.waits_on == "studio":
            notify_owner(connection, self._clocks, workspace_id, "own_number_lost", now.isoformat(), work.cause)


_REFUSED = ("account_suspended", "parent_suspended")
"""In which of them no key is made: the account refuses all."""

_TITLES: Mapping[str, str] = {
    "number_gone": "A studio has lost its phone number",
    "own_number_gone": "A number that a studio has brought does not work any more",
    "account_suspended": "Twilio has suspended a studio's account",
}


def _key(trouble: str, workspace_id: UUID) -> str:
    return f"channels:{trouble}:{workspace_id}"
