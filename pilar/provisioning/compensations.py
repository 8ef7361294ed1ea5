"""What takes back a step: number and account are given back, the studio shut, its subscription ended.

What belongs here: what there is to take back and how it is looked for. What does not: the order, and when
(`undoing.py`). A step may have had its effect and never learned of it, so each looks at the provider, not only at
what its step has kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.effects import EffectLedger
from pilar.backplane.facts import Cause
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import CredentialsRefused
from pilar.providers.stripe.client import StripeGateway
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.twilio.credentials import TwilioCredentials, by_token
from pilar.providers.whatsapp.client import GraphClient
from pilar.provisioning import channel_store, number_purchases, traces
from pilar.provisioning.giving_back import GivingBack, Returning
from pilar.provisioning.steps import Job
from pilar.provisioning.subscription import EndAccess
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal

NOTHING: Mapping[str, Any] = {"undone": "there was nothing to take back"}


class Compensations:
    """Takes back what steps did."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        stripe: StripeGateway,
        twilio: TwilioGateway,
        graph: GraphClient,
        ledger: EffectLedger,
        box: SecretBox,
        end_access: EndAccess,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._twilio = twilio
        self._graph = graph
        self._giving_back = GivingBack(stripe, twilio, ledger)
        self._box = box
        self._end_access = end_access

    def deregister(self, job: Job) -> Mapping[str, Any]:
        """Take the studio's number off WhatsApp; where the studio has withdrawn our access, it is the studio's.

        A number that the studio brought stays as it is: only our key to its account is forgotten.
        """
        with self._database.transaction(Scope.fleet()) as connection:
            own = channel_store.own_of(connection, job.workspace_id)
        if own is not None:
            self._close(job, "whatsapp")
            return {"undone": "the number is the studio's own"}
        known = self._integration(job, "whatsapp")
        if known is None or known.phone_number_id is None:
            return NOTHING
        token, number = unseal(self._box, known)["access_token"], known.phone_number_id
        try:
            if traces.is_registered(self._graph, token, number):
                self._giving_back.once(
                    _whose(job),
                    traces.DEREGISTERED_NUMBER,
                    number,
                    lambda: self._graph.deregister(token, number),
                    lambda: not traces.is_registered(self._graph, token, number),
                )
        except CredentialsRefused as error:
            return {"undone": f"the studio has withdrawn its permission: {error.message}"}
        self._close(job, "whatsapp")
        return {"deregistered": number}

    def release_number(self, job: Job) -> Mapping[str, Any]:
        """Give the studio's number back to Twilio."""
        account = self._account(job)
        if account is None:
            return NOTHING
        sid = job.results.get("phone_number_purchase", {}).get("number_sid")
        if sid is None:
            with self._database.transaction(Scope.fleet()) as connection:
                key = number_purchases.next_key(connection, job.workspace_id)
            bought = traces.number(self._twilio, account, job.workspace_id, key)
            if bought is None:
                return NOTHING
            sid = bought["number_sid"]
        self._giving_back.release_number(_whose(job), account, sid)
        return {"released": sid}

    def close_subaccount(self, job: Job) -> Mapping[str, Any]:
        """Close the studio's account at Twilio."""
        found = self._twilio.find_subaccount(traces.friendly_name(job.workspace_id))
        sid = found.sid if found else job.results.get("twilio_subaccount", {}).get("account_sid")
        if sid is None:
            return NOTHING
        self._giving_back.close_subaccount(_whose(job), sid)
        self._close(job, "twilio")
        return {"closed": sid}

    def end_subscription(self, job: Job) -> Mapping[str, Any]:
        """End the subscription that the studio was to be paid by; money that was paid is given back by a person."""
        self._giving_back.end_subscription(_whose(job), job.stripe_subscription_id)
        return {"ended": job.stripe_subscription_id}

    def shut(self, connection: Connection, job: Job) -> Mapping[str, Any]:
        """Close the studio itself; what it holds stays until retention takes it."""
        if not workspaces.workspace_exists(connection, job.workspace_id):
            return NOTHING
        workspaces.set_state(connection, job.workspace_id, "closed")
        self._end_access(connection, job.workspace_id, Cause(job.correlation_id))
        audit.tell(
            connection,
            job.workspace_id,
            key=f"undone:{job.id}",
            type="workspace.closed",
            text="The signup was taken back: this studio is closed.",
            now=self._clocks.business.now(),
        )
        return {"closed": str(job.workspace_id)}

    def _account(self, job: Job) -> TwilioCredentials | None:
        known = self._integration(job, "twilio")
        if known is not None and known.external_id is not None:
            return by_token(known.external_id, unseal(self._box, known))
        found = self._twilio.find_subaccount(traces.friendly_name(job.workspace_id))
        return found.credentials if found else None

    def _integration(self, job: Job, provider: str) -> workspaces.Integration | None:
        """What the studio has at a provider; None also where it was given back, since its keys are forgotten then."""
        with self._database.transaction(Scope.fleet()) as connection:
            known = workspaces.get_integration(connection, job.workspace_id, provider)
        return None if known is None or known.state == "closed" else known

    def _close(self, job: Job, provider: str) -> None:
        if self._integration(job, provider) is None:
            return
        with self._database.transaction(Scope.fleet()) as connection:
            now = self._clocks.real.now()
            workspaces.upsert_integration(connection, job.workspace_id, provider, now=now, state="closed")


def _whose(job: Job) -> Returning:
    return Returning(job.workspace_id, job.correlation_id)
