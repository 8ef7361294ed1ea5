"""Putting a number that a studio brings on WhatsApp: whose it is, that Meta takes it, and the code that proves it.

What belongs here: what is asked of Meta for such a number, and a clear word to the owner for each of its refusals.
What does not: what the owner says and types (`own_channel.py`), and numbers that are bought (`whatsapp_steps.py`).
"""

from __future__ import annotations

from sqlalchemy import Row

from pilar.backplane.effects import EffectLedger
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import CredentialsRefused, NotConfigured, Permanent
from pilar.providers.whatsapp.client import GraphClient
from pilar.provisioning import channel_store, store, traces
from pilar.provisioning.steps import Job, Wait
from pilar.provisioning.traced import have_once

OURS = (NotConfigured, CredentialsRefused)
"""Refusals that are no fault of the number."""
PIN_MISMATCH = "133005"
OWN = ":own:"
"""Stands in the keys of codes that an owner has asked for."""


class OwnNumbers:
    """What is different about a number that was not bought."""

    def __init__(
        self, database: Database, clocks: Clocks, graph: GraphClient, ledger: EffectLedger, box: SecretBox
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._ledger = ledger
        self._box = box

    def which(self, job: Job, own: Row[object], token: str, account: str) -> str | Wait:
        """The number, or a wait for its owner to say which of the account's it is."""
        if own.phone_number is not None:
            return str(own.phone_number)
        if own.brings == "number":
            return Wait("studio", "Which number does the studio bring? It was not given so that it could be read.")
        there = [one.phone_number for one in self._graph.phone_numbers(token, account)]
        if not there:
            return Wait("studio", "The WhatsApp account has no number yet: give the one that is to be added to it.")
        if len(there) > 1:
            return Wait("studio", f"The WhatsApp account has several numbers: give one of {', '.join(there)}.")
        with self._database.transaction(Scope.fleet()) as connection:
            if channel_store.used_by_another(connection, job.workspace_id, there[0]):
                return Wait("studio", f"{there[0]} is the number of another studio here: give another one.")
            channel_store.choose_number(connection, job.workspace_id, there[0])
        return there[0]

    def refused(self, number: str, error: Permanent) -> Wait:
        """Meta does not take the number, which is its owner's matter; raise what is no fault of the number."""
        if isinstance(error, OURS):
            raise error
        return Wait(
            "studio",
            f"WhatsApp does not take {number}: {_told(error)} If it is used in the WhatsApp app or by another company, "
            "delete that account first and look again, or give another number.",
        )

    def refused_registration(self, number: str, error: Permanent) -> Wait:
        """WhatsApp does not switch the number on; raise what its owner can't help."""
        if str(error.details.get("provider_code")) == PIN_MISMATCH:
            return Wait(
                "studio",
                f"{number} has a PIN for two-step verification that we don't know: turn two-step verification off in "
                "WhatsApp Manager, then look again.",
            )
        raise error

    def prove(self, job: Job, token: str, number_id: str, number: str) -> Wait | None:
        """Tell Meta the code that the owner has typed, or have one sent; None when the number is proven."""
        with self._database.transaction(Scope.fleet()) as connection:
            typed = store.unused_code(connection, job.workspace_id)
            requests = channel_store.code_requests(connection, job.workspace_id, number)
        if typed is not None:
            return self._verify(job, token, number_id, typed)
        asked = next((one for one in requests if one.state == "asked"), None)
        if asked is not None:
            return self._send(job, token, number_id, number, asked)
        if requests and requests[-1].state == "sent":
            return Wait("studio", f"WhatsApp has sent a code to {number}: it is to be typed within ten minutes.")
        return Wait("studio", f"WhatsApp wants to know whose {number} is: ask for its code with the telephone at hand.")

    def _verify(self, job: Job, token: str, number_id: str, typed: Row[object]) -> Wait | None:
        refusal: Permanent | None = None
        try:
            have_once(
                self._ledger, traces.VERIFIED_CODE, f"{number_id}:{typed.message_id}",
                lambda: self._graph.verify_code(token, number_id, self._box.open(typed.sealed_code)),
                lambda: traces.is_verified(self._graph, token, number_id),
                workspace_id=job.workspace_id, correlation_id=job.correlation_id,
            )  # fmt: skip
        except OURS:
            raise
        except Permanent as error:
            refusal = error
        with self._database.transaction(Scope.fleet()) as connection:
            store.use_code(connection, job.workspace_id, typed.message_id, self._clocks.real.now())
        if refusal is None:
            return None
        return Wait(
            "studio",
            "WhatsApp did not take the code: it was mistyped, or older than ten minutes. Type it once more, or ask for "
            "another one.",
        )

    def _send(self, job: Job, token: str, number_id: str, number: str, asked: Row[object]) -> Wait:
        language = job.result("customer_validation").get("language", "en")
        refusal: Permanent | None = None
        try:
            have_once(
                self._ledger, traces.REQUESTED_CODE, f"{number_id}{OWN}{asked.id}",
                lambda: self._graph.request_code(token, number_id, language, method=asked.method),
                lambda: False,  # whether it came, only the owner sees; a second one makes the first void
                workspace_id=job.workspace_id, correlation_id=job.correlation_id,
            )  # fmt: skip
        except OURS:
            raise
        except Permanent as error:
            refusal = error
        state = "sent" if refusal is None else "refused"
        with self._database.transaction(Scope.fleet()) as connection:
            channel_store.settle_code_request(connection, job.workspace_id, asked.id, state)
        if refusal is not None:
            return Wait("studio", f"WhatsApp has sent no code to {number}: {_told(refusal)}")
        way = "calls" if asked.method == "voice" else "has sent an SMS to"
        return Wait("studio", f"WhatsApp {way} {number} with a code: type it within ten minutes.")


def _told(error: Permanent) -> str:
    """What Meta said, as a sentence."""
    return error.message if error.message.endswith(".") else f"{error.message}."
