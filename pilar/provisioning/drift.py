"""Webhooks that somebody has pointed elsewhere are pointed to us again, a few times an hour and no more.

What belongs here: what counts as ours, the limit, and the repair. What does not: when it is looked (`channel_look.py`).

Ours are, at Meta, our app's subscription without an address of its own, and at Twilio our door. The limit keeps us and
whoever undoes it from fighting: beyond it a person has to find out who does. Each attempt is committed before it is
made, under the integration's lock, so that it counts whatever becomes of the worker.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from pilar.backplane import audit
from pilar.backplane.effects import EffectLedger
from pilar.backplane.facts import emit
from pilar.backplane.handlers import Work
from pilar.backplane.notices import IncidentRequested, end_incidents, incident
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.providers.twilio.client import NumberSettings, TwilioGateway
from pilar.providers.twilio.credentials import of_account
from pilar.providers.whatsapp.client import GraphClient
from pilar.provisioning import replacement_store as store
from pilar.provisioning import traces
from pilar.provisioning.traced import have_once
from pilar.provisioning.twilio_steps import sms_url, status_url
from pilar.settings import Settings
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal
from pilar.workspaces.store import Integration

AT_MOST = 3
WITHIN = timedelta(hours=1)
"""Real time: what is protected is the provider, and whoever else changes it."""

WELL, MENDED, LEFT = "well", "mended", "left to a person"


class Drift:
    """Compares and mends."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        twilio: TwilioGateway,
        graph: GraphClient,
        ledger: EffectLedger,
        box: SecretBox,
        settings: Settings,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._twilio = twilio
        self._graph = graph
        self._ledger = ledger
        self._box = box
        self._settings = settings

    def mend_sms(self, work: Work[Any], account: Integration, there: NumberSettings) -> str:
        """Point a number's webhooks at Twilio to us, unless they are; return what was done, in words.

        Raises:
            Transient: Twilio can't be asked now.
        """
        wanted = (sms_url(self._settings), status_url(self._settings))
        found = [
            url or "nowhere" for url, ours in zip((there.sms_url, there.status_url), wanted, strict=True) if url != ours
        ]
        number = account.phone_number_id or ""
        with self._database.transaction(Scope.fleet()) as connection:
            # Read again: its key may have been made anew since the look began.
            known = workspaces.get_integration(connection, account.workspace_id, "twilio")
        credentials = of_account(account.external_id or "", unseal(self._box, known))

        def is_ours() -> bool:
            now = self._twilio.number_settings(credentials, number)
            return (now.sms_url, now.status_url) == wanted

        return self._mend(
            work, account.workspace_id, "sms", traces.SET_WEBHOOKS, number,
            f"The number's webhooks go to {' and '.join(found)}." if found else None,
            lambda: self._twilio.set_webhooks(credentials, number, *wanted), is_ours,
        )  # fmt: skip

    def mend_whatsapp(self, work: Work[Any], account: Integration) -> str:
        """Have a WhatsApp account's webhooks sent to us, unless they are; return what was done, in words.

        Raises:
            Transient: Meta can't be asked now.
            CredentialsRefused: the studio has taken its permission away.
        """
        token, waba = unseal(self._box, account)["access_token"], account.external_id or ""
        there = self._graph.subscription(token, waba)
        found = None
        if there is None:
            found = "WhatsApp sends us no webhooks of this account."
        elif there.override is not None and there.override != self._door():
            found = f"WhatsApp sends this account's webhooks to {there.override}."

        def is_ours() -> bool:
            now = self._graph.subscription(token, waba)
            return now is not None and now.override in (None, self._door())

        return self._mend(
            work, account.workspace_id, "whatsapp", traces.SUBSCRIBED_APP, waba, found,
            lambda: self._graph.subscribe_app(token, waba), is_ours,
        )  # fmt: skip

    def _door(self) -> str:
        return f"{self._settings.public_url}/api/webhooks/whatsapp"

    def _mend(
        self,
        work: Work[Any],
        workspace_id: UUID,
        channel: str,
        kind: str,
        subject: str,
        found: str | None,
        call: Callable[[], None],
        is_ours: Callable[[], bool],
    ) -> str:
        key = f"webhooks:{channel}:{workspace_id}"
        if found is None:
            self._is_well(work, workspace_id, channel, key)
            return WELL
        now = self._clocks.real.now()
        provider = "twilio" if channel == "sms" else channel
        with self._database.transaction(Scope.fleet()) as connection:
            workspaces.get_integration(connection, workspace_id, provider, hold=True)
            tried = store.repairs_since(connection, workspace_id, channel, now - WITHIN)
            if tried >= AT_MOST:
                request = IncidentRequested(
                    dedupe_key=key,
                    title="A studio's webhooks are pointed elsewhere again and again",
                    description=f"{found} We have pointed them to us {tried} times within an hour, and leave it now:"
                    " find out who changes them.",
                    severity="high",
                    component="webhooks",
                )
                asked = incident(request, key=f"{key}:{work.id}", workspace_id=workspace_id)
                emit(connection, self._clocks, [asked], work.cause)
                return LEFT
            repair = store.add_repair(connection, workspace_id, channel, found, now)
            audit.record(
                connection, actor=audit.SYSTEM, action="provisioning.webhooks_recreated",
                subject=f"{provider}:{subject}", now=now, workspace_id=workspace_id,
                correlation_id=work.correlation_id, details={"found": found, "attempt": tried + 1},
            )  # fmt: skip
        have_once(
            self._ledger, kind, f"{subject}:{repair}", call, is_ours,
            workspace_id=workspace_id, correlation_id=work.correlation_id, is_budgeted=False,
        )  # fmt: skip
        return MENDED

    def _is_well(self, work: Work[Any], workspace_id: UUID, channel: str, key: str) -> None:
        """The incident that may be open is over; told only where attempts of the last day could have led to one."""
        since = self._clocks.real.now() - timedelta(days=1)
        provider = "twilio" if channel == "sms" else channel
        with self._database.transaction(Scope.fleet()) as connection:
            workspaces.get_integration(connection, workspace_id, provider, hold=True)
            if store.repairs_since(connection, workspace_id, channel, since) >= AT_MOST:
                end_incidents(
                    connection, self._clocks, [key], reason="The webhooks come to us again.", cause=work.cause,
                    workspace_id=workspace_id,
                )  # fmt: skip
