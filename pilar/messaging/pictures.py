"""Pictures that go out with a message. What belongs here: having one uploaded, once, before its message is sent.

What does not: what it shows: that is kept with the message as plain values, and painted by who knows them (a port,
named where the system is put together). The upload is an effect of its own, so that a message that is tried again
shows the same upload. It is made only for what would go as free text now: a template has no picture.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Row

from pilar.backplane.effects import Effect, EffectLedger
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent, Transient
from pilar.messaging import facts, facts_store, states
from pilar.messaging.verdict import decide
from pilar.providers.whatsapp.client import GraphClient
from pilar.workspaces.credentials import unseal
from pilar.workspaces.store import Integration

EFFECT = "whatsapp.upload"

Painter = Callable[[Mapping[str, Any]], bytes]
"""Paints a picture as PNG, out of the values that are kept with its message."""

log = logging.getLogger(__name__)


class Pictures:
    """Has pictures uploaded."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        graph: GraphClient,
        ledger: EffectLedger,
        box: SecretBox,
        painter: Painter,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._ledger = ledger
        self._box = box
        self._painter = painter

    def uploaded(self, row: Row[Any], account: Integration | None, *, is_last_try: bool) -> str | None:
        """Meta's id of a message's picture, uploaded if need be; None where the message goes without it.

        Args:
            row: the message's row.
            account: the studio's at Meta.
            is_last_try: the message would rather go without than not at all.

        Raises:
            Transient: Meta did not take it now, and the message can wait.
        """
        if account is None or account.sealed_credentials is None:
            return None
        number = self._number_if_free_text(row)
        if number is None:
            return None
        token = unseal(self._box, account).get("access_token", "")
        picture = row.details["picture"]

        def upload() -> Mapping[str, Any]:
            content = self._painter(picture)
            return {"id": self._graph.upload_media(token, number, content, "image/png", "progress.png")}

        wanted = Effect(
            kind=EFFECT,
            key=str(row.id),
            call=upload,
            request={"of": "picture"},
            workspace_id=row.workspace_id,
            correlation_id=row.correlation_id,
        )
        try:
            return str(self._ledger.perform(wanted)["id"])
        except Transient:
            if not is_last_try:
                raise
            log.warning("The picture of message %s could not be uploaded: it goes without.", row.id)
        except Permanent as error:
            # The words say the same, and the effect keeps the refusal for whoever looks into it.
            log.warning("The picture of message %s was refused (%s): it goes without.", row.id, error.code)
        return None

    def _number_if_free_text(self, row: Row[Any]) -> str | None:
        """The number that would send the message as free text now, by the rule that decides at last."""
        with self._database.transaction(Scope.fleet()) as connection:
            message = facts_store.lock(connection, row.workspace_id, row.id)
            if message.state not in states.UNSENT:
                return None
            found = facts.gather(connection, self._clocks, message)
            verdict = decide(found.facts)
        goes = verdict.action == "send" and verdict.form == "text" and verdict.channel == facts.WHATSAPP
        return found.number_id if goes else None
