"""Telling a studio's owner by mail. What belongs here: what is looked up for it, and that it is sent once per cause.

What does not: the words (`owner_mails.py`), and whatever a notice is about: whoever notices that asks for it by job.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.handlers import Work
from pilar.backplane.notices import IncidentRequested
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Invalid
from pilar.messaging import template_store
from pilar.messaging.events import TemplateChanged
from pilar.providers.email.client import Mailer
from pilar.providers.reactions import Reaction
from pilar.providers.stripe.client import StripeGateway
from pilar.providers.whatsapp.errors import reaction_to
from pilar.provisioning import number_notices, store, traces
from pilar.provisioning.events import NoticeKind, OwnerNotice
from pilar.provisioning.owner_mails import Notice, compose, plan_in_words
from pilar.provisioning.subscription import notify_owner
from pilar.settings import Settings
from pilar.workspaces import standing_store
from pilar.workspaces import store as workspaces
from pilar.workspaces.plans import Plan

RESTRICTIONS: Mapping[Reaction, str] = {
    Reaction.FREEZE_MARKETING: "it takes no more marketing for now, because of the number's quality.",
    Reaction.STOP_WORKSPACE: "it has locked the account.",
    Reaction.AWAIT_PAYMENT: "the payment method in your WhatsApp account fails.",
    Reaction.RECONNECT: "our permission to send for you has ended: connect WhatsApp again.",
}
TOLD_OF: Mapping[str, NoticeKind] = {"rejected": "template_rejected", "disabled": "template_disabled"}
"""The states of a template that the owner is told of, and as what."""
_NUMBER = "whatsapp:"
"""What the keys of incidents begin with that a refusal of WhatsApp's has caused; its code follows."""


def restriction(code: str) -> str | None:
    """What a refusal of WhatsApp's keeps a number from, in words; None where it restricts none."""
    reaction = reaction_to(code)
    return RESTRICTIONS.get(reaction) if reaction is not None else None


class OwnerNotices:
    """Sends notices, and has some sent when something happens."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        stripe: StripeGateway,
        mailer: Mailer,
        ledger: EffectLedger,
        settings: Settings,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._stripe = stripe
        self._mailer = mailer
        self._ledger = ledger
        self._settings = settings

    def on_template(self, connection: Connection, work: Work[TemplateChanged]) -> dict[str, Any]:
        """A template was rejected or disabled: have the owner told."""
        told = work.content
        kind = TOLD_OF.get(told.state)
        if kind is None or work.workspace_id is None:
            return {"skipped": f"it is {told.state}"}
        occasion = f"{told.template_id}:{work.id}"
        notify_owner(connection, self._clocks, work.workspace_id, kind, occasion, work.cause)
        return {"asked_for": occasion}

    def on_incident(self, connection: Connection, work: Work[IncidentRequested]) -> dict[str, Any]:
        """WhatsApp restricts a number: have the owner told, once a week while it lasts."""
        key = work.content.dedupe_key
        code = key.split(":")[1] if key.startswith(_NUMBER) else ""
        if work.workspace_id is None or restriction(code) is None:
            return {"skipped": "it restricts no number"}
        week = self._clocks.business.now().strftime("%G-W%V")
        notify_owner(connection, self._clocks, work.workspace_id, "number_restricted", f"{code}:{week}", work.cause)
        return {"asked_for": code}

    def send(self, work: Work[OwnerNotice]) -> dict[str, Any]:
        """Send a notice, unless there is no reason for it any more: nothing is written about a signup taken back.

        Raises:
            Transient: the mail server did not take it now; the queue tries again.
        """
        told, workspace_id = work.content, work.workspace_id
        if workspace_id is None:
            raise Invalid("A notice is about a studio, and this one names none.")
        if self._settings.smtp_url is None:
            return {"skipped": "no mail server is set up: the studio's page tells it"}
        if self._is_taken_back(workspace_id):
            return {"skipped": "the signup was taken back"}
        link = self._page(workspace_id, "set-up" if told.kind == "own_number_waits" else "subscription")
        if told.kind == "payment_failing":
            invoice = self._stripe.invoice(told.occasion)
            if invoice.status != "open":
                return {"skipped": f"the invoice is {invoice.status} by now"}
            link = invoice.pay_link or link
        with self._database.transaction(Scope.fleet()) as connection:
            owner = workspaces.find_owner(connection, workspace_id)
            if owner is None:
                return {"skipped": "the studio has no owner"}
            notice = self._notice(connection, workspace_id, told, owner.name, link)
        if notice is None:
            return {"skipped": "it is so no more"}
        mail, key = compose(told.kind, notice), f"{workspace_id}:{told.kind}:{told.occasion}"

        def call() -> Mapping[str, Any]:
            self._mailer.send(owner.email, mail.subject, mail.text, mail.html, f"notice.{work.id}")
            return {}

        self._ledger.perform(
            Effect(
                kind=traces.OWNER_NOTICE, key=key, call=call, request={"kind": told.kind},
                correlation_id=work.correlation_id,
            )
        )  # fmt: skip
        return {"sent": told.kind}

    def _notice(
        self, connection: Connection, workspace_id: UUID, told: OwnerNotice, owner_name: str, link: str
    ) -> Notice | None:
        studio = workspaces.get_workspace(connection, workspace_id)
        kept = standing_store.find_standing(connection, workspace_id)
        until: datetime | None = None
        detail = None
        if told.kind in ("suspended", "cancelled"):
            if kept is None or kept.standing != told.kind:
                return None
            until = kept.closes_at
        elif told.kind == "payment_failing":
            until = kept.grace_until if kept else None
        elif told.kind == "closed":
            until = kept.erase_at if kept else None
        elif told.kind == "plan_changed":
            people = sum(one.role != "owner" for one in workspaces.members_of(connection, workspace_id))
            detail = plan_in_words(Plan(studio.plan), people)
        elif told.kind == "number_restricted":
            detail = restriction(told.occasion.split(":")[0])
        elif told.kind in number_notices.KINDS:
            detail = number_notices.detail_of(connection, workspace_id, told)
            if detail is None:
                return None
        else:
            named = UUID(told.occasion.split(":")[0])
            known = template_store.templates_of(connection, workspace_id)
            template = next((one for one in known if one.id == named), None)
            if template is None or TOLD_OF.get(template.state) != told.kind:
                return None
            detail = f"{template.name} ({template.language}): {template.reason or 'it gave no reason.'}"
        day = f"{until:%d %B %Y}" if until else None
        return Notice(owner_name, studio.name, day, detail, link)

    def _is_taken_back(self, workspace_id: UUID) -> bool:
        with self._database.transaction(Scope.fleet()) as connection:
            job = store.find_job_of_workspace(connection, workspace_id)
        return job is not None and job.state in store.TAKEN_BACK

    def _page(self, workspace_id: UUID, name: str) -> str:
        return f"{self._settings.public_url}/studios/{workspace_id}/{name}"
