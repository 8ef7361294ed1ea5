"""Handing many messages over at once: the plain ones of a group, with a few statements for all of them.

What belongs here: which messages are plain, and beginning and ending their attempts together. What does not: the rule
(`verdict.py`), and any message of which there is more to say than that it goes: those are sent one by one
(`sending.py`), after the others.

Every promise is the same as one by one. The verdict is made under the leads' locks in the transaction that records the
attempts; it is committed before the first call. A lead whom somebody else holds is not waited for. At most one message
to a lead is begun with the others: the next goes alone as soon as this one is with the provider, and so on, in the
order in which they were put into the outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from pilar.backplane.effects import EffectLedger
from pilar.backplane.handlers import Result, Work
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import CircuitOpen
from pilar.messaging import states, together_store
from pilar.messaging.attempts import Attempt
from pilar.messaging.beginning import Begun, begin
from pilar.messaging.ending import end
from pilar.messaging.events import SendMessage
from pilar.messaging.rooms import People
from pilar.messaging.sending import EFFECT, OverWhatsApp, Sender
from pilar.providers.whatsapp.client import GraphClient
from pilar.workspaces.credentials import unsealed

CALLS = 16
"""How many calls are under way at once, of all groups of a process: answers take a quarter of a second or so."""


class TogetherSender:
    """Sends groups of messages."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        graph: GraphClient,
        ledger: EffectLedger,
        box: SecretBox,
        sender: Sender,
        people: People,
    ) -> None:
        """Take who sends one by one what is not plain, and otherwise what that one takes."""
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._ledger = ledger
        self._box = box
        self._sender = sender
        self._people = people
        self._calls = ThreadPoolExecutor(CALLS, "calls")

    def close(self) -> None:
        """Give the threads back."""
        self._calls.shutdown()

    def send(self, works: Sequence[Work[SendMessage]]) -> list[Result | Exception]:
        """Send messages, and answer for each what `Sender.send` would have returned or raised."""
        answers: dict[int, Result | Exception] = {}
        by_message = {work.content.message_id: place for place, work in enumerate(works)}
        leads: dict[UUID, UUID] = {}
        begun = self._begin([works[place] for place in by_message.values()], leads) if len(works) > 1 else []
        for one, error in self._call(begun):
            place = by_message[one.row.id]
            answers[place] = {"state": states.ACCEPTED} if error is None else self._failed(one, error, works[place])
        queues: dict[UUID, list[int]] = {}
        for place in sorted(set(range(len(works))) - set(answers), key=lambda place: works[place].content.message_id):
            message_id = works[place].content.message_id
            queues.setdefault(leads.get(message_id, message_id), []).append(place)
        said = self._calls.map(self._one_by_one, [[works[place] for place in queue] for queue in queues.values()])
        for queue, ended in zip(queues.values(), said, strict=True):
            answers |= zip(queue, ended, strict=True)
        return [answers[place] for place in range(len(works))]

    def _begin(self, works: Sequence[Work[SendMessage]], leads: dict[UUID, UUID]) -> list[Begun]:
        """Decide on the plain messages among these and record their attempts, in one transaction.

        Whom they are to is added to `leads`, by message.
        """
        try:
            self._ledger.wait_for_provider(EFFECT)
        except CircuitOpen:
            return []
        keys = [(work.workspace_id, work.content.message_id) for work in works if work.workspace_id is not None]
        with self._database.transaction(Scope.fleet()) as connection:
            rows = together_store.plain(connection, keys)
            leads.update((row.id, row.lead_id) for row in rows)
            tokens: dict[bytes, str] = {}
            begun = []
            for row in rows:
                token = tokens.get(row.sealed_credentials)
                if token is None:
                    token = unsealed(self._box, row.sealed_credentials).get("access_token", "")
                    tokens[row.sealed_credentials] = token
                attempt = Attempt(self._clocks, row, OverWhatsApp(self._graph, token), self._people)
                begun.append(Begun(row, attempt, self._sender.effect_of(row, attempt)))
            return begin(connection, self._clocks, self._ledger, begun)

    def _call(self, begun: Sequence[Begun]) -> list[tuple[Begun, Exception | None]]:
        """Hand the begun ones over, and record how that ended; each with its error, if there was one."""
        if not begun:
            return []
        said = list(self._calls.map(_said, begun))
        taken = {one.row.id: answer for one, answer in zip(begun, said, strict=True) if isinstance(answer, str)}
        with self._database.transaction(Scope.fleet()) as connection:
            ended = end(connection, self._clocks, self._ledger, [one for one in begun if one.row.id in taken], taken)
        ends: list[tuple[Begun, Exception | None]] = []
        for one, answer in zip(begun, said, strict=True):
            if isinstance(answer, Exception):
                self._ledger.fail(one.effect, answer)
                ends.append((one, answer))
                continue
            if one.row.id not in ended:
                self._ledger.confirm(one.effect, {"id": answer})
            ends.append((one, None))
        return ends

    def _failed(self, one: Begun, error: Exception, work: Work[SendMessage]) -> Result | Exception:
        try:
            return self._sender.ended(one.row, error, work)
        except Exception as final:
            return final

    def _one_by_one(self, works: Sequence[Work[SendMessage]]) -> list[Result | Exception]:
        return [self._alone(work) for work in works]

    def _alone(self, work: Work[SendMessage]) -> Result | Exception:
        try:
            return self._sender.send(work)
        except Exception as error:
            return error


def _said(one: Begun) -> str | Exception:
    try:
        return str(one.attempt.call()["id"])
    except Exception as error:
        return error
