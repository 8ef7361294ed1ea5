"""Messaging's effects in doubt whose work has not come back.

What belongs here: how sends and submitted templates are looked for without their work, and what follows once one is
settled. What does not: the sweep (`backplane/reconciling.py`).

WhatsApp can't be asked about a message: a send is found by the status that carries our id back. So a missing status
is no proof, and marketing is never repeated on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import effects
from pilar.backplane.effects import EffectSettled
from pilar.backplane.handlers import Work
from pilar.backplane.reconciling import Doubt, Policy, Reconcilers
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.messaging import pictures, sending, states, store, templates
from pilar.messaging.outbox import ask_to_send
from pilar.providers.whatsapp.client import GraphClient
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal


class MessagingDoubts:
    """Looks for messaging's effects, and has messages and templates follow them."""

    def __init__(self, database: Database, clocks: Clocks, graph: GraphClient, box: SecretBox) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._box = box

    def register(self, reconcilers: Reconcilers) -> None:
        """Say how each kind is settled."""
        for kind in sending.KINDS.values():
            reconcilers.on_kind(kind, self._told, self._policy_of_send, passing=True)
        # Nobody knows the id of an upload in doubt, and a second one does no harm.
        reconcilers.on_kind(pictures.EFFECT, None, Policy.REPEAT, passing=True)
        reconcilers.on_kind(templates.EFFECT, self._template, Policy.REPEAT)

    def on_settled(self, connection: Connection, work: Work[EffectSettled]) -> dict[str, Any]:
        """Have the message or the studio's templates follow what was settled."""
        told = work.content
        if told.kind == templates.EFFECT and work.workspace_id is not None and told.state != "unknown":
            templates.ask_to_submit(
                connection, self._clocks, work.workspace_id, occasion=f"settled:{work.id}", story=work.cause
            )
            return {"asked": True}
        if told.kind in sending.KINDS.values():
            return {"state": self._follow(connection, effects.get_effect(connection, told.effect_id), work)}
        return {}

    def _follow(self, connection: Connection, effect: Row[Any], work: Work[EffectSettled]) -> str:
        """Move a message that is in doubt to where its effect stands now; the effect may be further than was told."""
        found = store.find_message(connection, UUID(effect.key))
        if found is None:
            return "gone"
        store.lock_lead(connection, found.workspace_id, found.lead_id)
        message = store.lock_message(connection, found.workspace_id, found.id)
        if message.state not in states.IN_DOUBT:
            return str(message.state)
        values: dict[str, Any] = {}
        if effect.state == "confirmed":
            told = (effect.response or {}).get("id")
            values = {
                "state": states.ACCEPTED,
                "provider_message_id": message.provider_message_id or told,
                "accepted_at": message.accepted_at or self._clocks.real.now(),
            }
        elif effect.state == "intent":
            values = {"state": states.QUEUED}
            ask_to_send(
                connection,
                self._clocks,
                found.workspace_id,
                found.id,
                work.cause,
                occasion=f"settled:{work.id}",
            )
        elif effect.state == "unknown":
            values = {"state": states.UNKNOWN}
        if values:
            store.change_message(connection, found.workspace_id, found.id, values)
        return str(values.get("state", message.state))

    def _told(self, doubt: Doubt) -> Mapping[str, Any] | None:
        message = self._message(doubt)
        return {"id": message.provider_message_id} if message and message.provider_message_id else None

    def _policy_of_send(self, doubt: Doubt) -> Policy:
        message = self._message(doubt)
        return Policy.NEVER if message is None or message.category == sending.MARKETING else Policy.ONCE_MORE

    def _message(self, doubt: Doubt) -> Row[Any] | None:
        with self._database.transaction(Scope.fleet()) as connection:
            return store.find_message(connection, UUID(doubt.key))

    def _template(self, doubt: Doubt) -> Mapping[str, Any] | None:
        account_id, name, language, *mended = doubt.key.split(":")
        if doubt.workspace_id is None:
            raise Permanent("Templates belong to a studio.")
        with self._database.transaction(Scope.fleet()) as connection:
            account = workspaces.get_integration(connection, doubt.workspace_id, "whatsapp")
        token = unseal(self._box, account)["access_token"]
        there = templates.find_template(self._graph, token, account_id, name, language)
        return None if there and mended and there["status"] == templates.REFUSED else there
