"""Registering a number with WhatsApp once more. What belongs here: doing it, as rarely as WhatsApp allows.

What does not: the first registration (`provisioning`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pilar.backplane import limits
from pilar.backplane.handlers import Work
from pilar.backplane.limits import Limit
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.messaging import store
from pilar.messaging.events import RegisterAgain
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.providers.whatsapp.client import GraphClient
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal

ATTEMPTS = Limit("number_registrations", 10, timedelta(days=7))
"""As many as WhatsApp takes for one number."""

REGISTERED = ":registered"
"""What the cause of a message has behind it when it is sent after its number was registered again."""


class Registrar:
    """Registers numbers again."""

    def __init__(self, database: Database, clocks: Clocks, graph: GraphClient, box: SecretBox) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._box = box

    def run(self, work: Work[RegisterAgain]) -> dict[str, Any]:
        """Register the number that could not send a message, and send the message.

        Registering a registered number changes nothing, so that doing it twice after a crash does no harm; each try is
        counted before it is made.

        Raises:
            TooManyRequests: WhatsApp takes no more of them this week.
            Permanent: WhatsApp won't have it, or the studio's credentials are gone.
        """
        with self._database.transaction(Scope.fleet()) as connection:
            row = store.find_message(connection, work.content.message_id)
            if row is None:
                return {"skipped": "the message is gone"}
            account = workspaces.get_integration(connection, row.workspace_id, "whatsapp")
            if account is None or account.phone_number_id is None:
                raise Permanent("The studio has no number to register.")
            credentials = unseal(self._box, account)
        with self._database.transaction(Scope.fleet()) as connection:
            left = limits.take(connection, ATTEMPTS, account.phone_number_id, self._clocks.real.now())
        self._graph.register(credentials["access_token"], account.phone_number_id, credentials["pin"])
        with self._database.transaction(Scope.fleet()) as connection:
            if REGISTERED not in row.cause:
                again = NewMessage(
                    lead_id=row.lead_id,
                    category=row.category,
                    origin=row.origin,
                    cause=f"{row.cause}{REGISTERED}",
                    text=row.text,
                    template=row.template_name,
                    parameters=tuple(row.template_parameters or ()),
                    reply_to=row.reply_to,
                )
                queue_message(connection, self._clocks, row.workspace_id, again, work.cause)
        return {"registered": account.phone_number_id, "left_this_week": left}
