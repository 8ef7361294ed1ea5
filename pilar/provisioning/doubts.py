"""Provisioning's effects in doubt whose step has not come back.

What belongs here: how each kind is looked for without its step, and having the job go on once it is settled. What does
not: the sweep (`backplane/reconciling.py`) and what each effect leaves at its provider (`traces.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.effects import EffectSettled
from pilar.backplane.handlers import Work
from pilar.backplane.reconciling import Doubt, Policy, Reconcilers
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.twilio.credentials import TwilioCredentials, by_token
from pilar.providers.whatsapp.client import GraphClient
from pilar.provisioning import store, traces, twilio_store
from pilar.provisioning.own_number_steps import OWN
from pilar.provisioning.replacing import go_on
from pilar.provisioning.runner import wake
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal


class ProvisioningDoubts:
    """Looks for provisioning's effects, and wakes the job that one belongs to."""

    def __init__(
        self, database: Database, clocks: Clocks, twilio: TwilioGateway, graph: GraphClient, box: SecretBox
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._twilio = twilio
        self._graph = graph
        self._box = box

    def register(self, reconcilers: Reconcilers) -> None:
        """Say how each kind is settled. Twilio and Meta list what there is: what they don't list did not happen."""
        on_kind = reconcilers.on_kind
        on_kind(traces.SUBACCOUNT, self._subaccount, Policy.REPEAT)
        on_kind(traces.ACCOUNT_KEY, self._account_key, Policy.REPEAT)
        on_kind(traces.NUMBER, self._number, Policy.REPEAT)
        on_kind(traces.ADDED_NUMBER, self._added_number, Policy.REPEAT)
        on_kind(traces.REGISTERED_NUMBER, self._done(traces.is_registered), Policy.REPEAT)
        on_kind(traces.SUBSCRIBED_APP, self._done(lambda graph, *about: graph.subscribed(*about)), Policy.REPEAT)
        on_kind(traces.REQUESTED_CODE, self._code, Policy.REPEAT, passing=True)
        on_kind(traces.VERIFIED_CODE, self._done(traces.is_verified), Policy.REPEAT, passing=True)
        # A mail can't be looked for. A second copy carries the same Message-ID and asks for nothing new.
        on_kind(traces.SETUP_MAIL, None, Policy.REPEAT, passing=True)
        on_kind(traces.REMINDER_MAIL, None, Policy.REPEAT, passing=True)
        on_kind(traces.OWNER_NOTICE, None, Policy.REPEAT, passing=True)
        # An SMS can't either: its step refuses to risk a second one, and a reminder more or less is no person's matter.
        on_kind(traces.REMINDER_SMS, None, Policy.REPEAT, passing=True)
        # Closing looks at Stripe before it ends anything again, and is tried again by its own work.
        on_kind(traces.ENDED_SUBSCRIPTION, None, Policy.REPEAT)
        # A look compares again and counts its attempts: nothing is lost where one is forgotten.
        on_kind(traces.SET_WEBHOOKS, None, Policy.REPEAT, passing=True)
        on_kind(traces.RELEASED_NUMBER, self._released, Policy.REPEAT)
        on_kind(traces.CLOSED_SUBACCOUNT, self._closed, Policy.REPEAT)
        on_kind(
            traces.DEREGISTERED_NUMBER,
            self._done(lambda graph, *about: not traces.is_registered(graph, *about)),
            Policy.REPEAT,
        )

    def on_settled(self, connection: Connection, work: Work[EffectSettled]) -> dict[str, Any]:
        """Have the studio's job go on: from the answer that was found, or by trying again."""
        told = work.content
        if told.kind not in traces.KINDS or work.workspace_id is None or told.state == "unknown":
            return {"woken": False}
        if go_on(connection, self._clocks, work.workspace_id, cause=f"settled:{work.id}", story=work.cause):
            return {"woken": True}
        job = store.find_job_of_workspace(connection, work.workspace_id)
        if job is None or job.state == "completed" or job.state in store.TAKEN_BACK:
            return {"woken": False}  # what is being taken back comes again by its own work
        wake(connection, self._clocks, job, cause=f"settled:{work.id}", correlation_id=work.correlation_id)
        return {"woken": True}

    def _subaccount(self, doubt: Doubt) -> Mapping[str, Any] | None:
        with self._database.transaction(Scope.fleet()) as connection:
            parent = twilio_store.placement_of(connection, _studio(doubt))
        return traces.subaccount(self._twilio.under(parent) if parent else self._twilio, _studio(doubt))

    def _account_key(self, doubt: Doubt) -> None:
        """A key that is in doubt is of no use, since its secret was not kept: it is deleted, and may be made anew."""
        with self._database.transaction(Scope.fleet()) as connection:
            account = workspaces.get_integration(connection, _studio(doubt), "twilio")
        if account is not None and account.state == "closed":
            return  # it has gone with its account
        name = traces.account_key_name(doubt.key)
        traces.delete_keys(self._twilio, self._account(doubt), lambda one: one == name)

    def _number(self, doubt: Doubt) -> Mapping[str, Any] | None:
        return traces.number(self._twilio, self._account(doubt), _studio(doubt), doubt.key)

    def _released(self, doubt: Doubt) -> Mapping[str, Any] | None:
        return {} if traces.is_released(self._twilio, self._account(doubt), doubt.key) else None

    def _closed(self, doubt: Doubt) -> Mapping[str, Any] | None:
        return {} if self._twilio.is_closed(doubt.key) else None

    def _account(self, doubt: Doubt) -> TwilioCredentials:
        """The studio's account by its token: a doubt must not hang on a key that may be dead."""
        with self._database.transaction(Scope.fleet()) as connection:
            account = workspaces.get_integration(connection, _studio(doubt), "twilio")
        credentials = unseal(self._box, account)
        if account is None or account.external_id is None:
            raise Permanent("The studio has no account at Twilio.")
        return by_token(account.external_id, credentials)

    def _added_number(self, doubt: Doubt) -> Mapping[str, Any] | None:
        account, _, phone_number = doubt.key.partition(":")
        return traces.added_number(self._graph, self._token(doubt), account, phone_number)

    def _code(self, doubt: Doubt) -> Mapping[str, Any] | None:
        """A code that was asked for has come once there are more than were tried when it was asked for."""
        if OWN in doubt.key:
            return None  # it went to a telephone of the owner's: nobody here sees whether it came
        tried = int(doubt.key.rpartition(":")[2])
        with self._database.transaction(Scope.fleet()) as connection:
            return {} if store.codes_received(connection, _studio(doubt)) > tried else None

    def _done(self, is_done: Callable[[GraphClient, str, str], bool]) -> Callable[[Doubt], Mapping[str, Any] | None]:
        """A look for what leaves no answer, only a trace; its key begins with what it was done to."""

        def find(doubt: Doubt) -> Mapping[str, Any] | None:
            return {} if is_done(self._graph, self._token(doubt), doubt.key.partition(":")[0]) else None

        return find

    def _token(self, doubt: Doubt) -> str:
        with self._database.transaction(Scope.fleet()) as connection:
            account = workspaces.get_integration(connection, _studio(doubt), "whatsapp")
        return unseal(self._box, account)["access_token"]


def _studio(doubt: Doubt) -> UUID:
    if doubt.workspace_id is None:
        raise Permanent(f"{doubt.kind} belongs to a studio, and this one names none.")
    return doubt.workspace_id
