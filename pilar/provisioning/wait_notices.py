"""What a studio's owner is told about a wait: by mail, and by SMS from the studio's own number where that may be.

What belongs here: whether it is still true when its turn comes, and having each sent once. What does not: when it is
due (`following.py`) and its words (`wait_words.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit, effects
from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.facts import Job, Lane, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.messaging import page_store
from pilar.messaging import store as messaging
from pilar.messaging.zones import plausible_zones
from pilar.providers.email.client import Mailer
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.twilio.credentials import TwilioCredentials, of_account
from pilar.provisioning import store, traces, wait_words, waits
from pilar.provisioning.events import TellOwner
from pilar.provisioning.next_thing import CONNECTION_STEP
from pilar.provisioning.setup import setup_link
from pilar.settings import Settings
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal


class WaitNotices:
    """Tells owners about waits."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        mailer: Mailer,
        twilio: TwilioGateway,
        ledger: EffectLedger,
        box: SecretBox,
        settings: Settings,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._mailer = mailer
        self._twilio = twilio
        self._ledger = ledger
        self._box = box
        self._settings = settings

    def tell(self, work: Work[TellOwner]) -> dict[str, Any]:
        """Send what is due about a wait, unless the wait is over by now; return by which ways it went.

        At night, where the owner is, it is put off till morning.

        Raises:
            Transient: it could not be sent now; what was sent already is not sent again.
        """
        told = work.content
        with self._database.transaction(Scope.fleet()) as connection:
            job = store.get_job(connection, told.job_id)
            rows = store.steps_of(connection, told.job_id)
            step = next((row for row in rows if row.name == told.step), None)
            # A step that looks again just now still waits.
            wanted = ("waiting", "in_progress") if told.number else ("expired",)
            if step is None or not step.waits_on or step.status not in wanted or step.wait_round != told.wait_round:
                return self._unwanted(connection, told, "the wait is over")
            if step.waits_on == "studio" and job.sealed_setup_code is not None:
                return self._unwanted(connection, told, "the owner has acted")  # and the step is about to see it
            found = store.job_view(job, rows).results.get("customer_validation")
            if found is None:
                return {"skipped": "nobody knows yet who the owner is"}
            owner = workspaces.find_owner(connection, job.workspace_id)
            phone = owner.phone if owner else None
            if morning := self._morning(plausible_zones(None, phone, found["time_zone"])):
                self._put_off(connection, work, morning)
                return {"put_off": morning.isoformat()}
            sender = self._sender(connection, job.workspace_id, phone) if told.number else None
        link = setup_link(self._settings.public_url, self._box.open(job.sealed_setup_token))
        names = (found["owner_name"], found["studio_name"], link)
        # What another step waits for stands in its own words.
        what = wait_words.PERMISSION if step.name == CONNECTION_STEP else step.wait_reason or wait_words.PERMISSION
        if told.number:
            mail = wait_words.reminder(*names, (step.expires_at - self._clocks.business.now()).days, what)
        else:
            mail = wait_words.expired(*names, by_owner=step.waits_on == "studio")
        key = _key(told)
        address, message_id = owner.email if owner else found["email"], f"wait.{key.replace(':', '.')}"
        ways = {"mail": self._once(
            work, traces.REMINDER_MAIL, key,
            lambda: self._mailer.send(address, mail.subject, mail.text, mail.html, message_id),
        )}  # fmt: skip
        if sender is not None and phone is not None:
            account, number, words = *sender, wait_words.short(found["studio_name"], link, what)
            # An SMS can't be looked up by what it was for: one of unknown fate is not sent again.
            ways["sms"] = self._once(
                work, traces.REMINDER_SMS, key,
                lambda: self._send(account, number, phone, words), repeatable=False,
            )  # fmt: skip
        with self._database.transaction(Scope.fleet()) as connection:
            self._note(connection, work, ways)
        return {"told": ways}

    def _unwanted(self, connection: Connection, told: TellOwner, why: str) -> dict[str, Any]:
        """Nobody is told any more: what a provider refused for a while before is not tried again either."""
        for kind in (traces.REMINDER_MAIL, traces.REMINDER_SMS):
            effects.let_go(connection, kind, _key(told), f"Not sent: {why}.", self._clocks.real.now())
        return {"skipped": why}

    def _send(self, account: TwilioCredentials, number: str, phone: str, words: str) -> None:
        self._twilio.send_sms(account, number, phone, words)

    def _sender(
        self, connection: Connection, workspace_id: UUID, phone: str | None
    ) -> tuple[TwilioCredentials, str] | None:
        """The studio's own number to write from, if the owner has one that may be written to."""
        account = workspaces.get_integration(connection, workspace_id, "twilio")
        if phone is None or account is None or account.external_id is None or account.phone_number is None:
            return None
        lead = page_store.find_lead(connection, workspace_id, phone.removeprefix("+"))
        if lead is not None and False in messaging.consents(connection, workspace_id, lead).values():
            return None
        return of_account(account.external_id, unseal(self._box, account)), account.phone_number

    def _morning(self, zones: Iterable[str]) -> datetime | None:
        """When somebody in these zones may be written to, if it is night there now."""
        now = self._clocks.business.now()
        morning = waits.decent(now, zones)
        return morning if morning > now else None

    def _put_off(self, connection: Connection, work: Work[TellOwner], morning: datetime) -> None:
        later = Job(
            payload=work.content,
            key=f"{work.id}:{morning.isoformat()}",
            workspace_id=work.workspace_id,
            lane=Lane.BULK,
            due_at=morning,
            business_time=True,
        )
        enqueue(connection, self._clocks, [later], work.cause)

    def _once(
        self, work: Work[TellOwner], kind: str, key: str, send: Callable[[], None], *, repeatable: bool = True
    ) -> str:
        """Send through the ledger; "sent", or why it can't be: no server is set, or they don't take it."""

        def call() -> Mapping[str, Any]:
            send()
            return {}

        wanted = Effect(
            kind=kind,
            key=key,
            call=call,
            repeatable=repeatable,
            workspace_id=work.workspace_id,
            correlation_id=work.correlation_id,
        )
        try:
            self._ledger.perform(wanted)
        except Permanent as error:  # told by the audit entry; the other way is tried all the same
            return error.message
        return "sent"

    def _note(self, connection: Connection, work: Work[TellOwner], ways: Mapping[str, str]) -> None:
        audit.record(
            connection,
            actor=audit.SYSTEM,
            action="provisioning.owner_told",
            subject=f"step:{work.content.step}",
            now=self._clocks.real.now(),
            workspace_id=work.workspace_id,
            correlation_id=work.correlation_id,
            details={"number": work.content.number, "by": dict(ways)},
        )


def _key(told: TellOwner) -> str:
    """Of the effects of telling once."""
    return f"{told.job_id}:{told.step}:{told.wait_round}:{told.number}"
