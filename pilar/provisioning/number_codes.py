"""The codes by which numbers that we have bought are proven to WhatsApp: asked for, waited for, told.

What belongs here: when a code is asked for, and what is done with the one that comes. What does not: taking in the SMS
(`inbound_sms.py`), and numbers that a studio brings (`own_number_steps.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from pilar.backplane.effects import EffectLedger
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import NotConfigured, Permanent, Transient
from pilar.ids import new_id
from pilar.providers.whatsapp.client import GraphClient
from pilar.provisioning import channel_store, store, traces
from pilar.provisioning.own_channel import MOST_CODES, WITHIN
from pilar.provisioning.steps import Job, Wait
from pilar.provisioning.traced import have_once

TRIED_AT_MOST = 3
LOST_AFTER = timedelta(minutes=30)
"""Business time after which a code that has not come is asked for again: Meta's codes are good for ten minutes."""


class BoughtNumberCodes:
    """Proves numbers that we receive the SMS of."""

    def __init__(
        self, database: Database, clocks: Clocks, graph: GraphClient, ledger: EffectLedger, box: SecretBox
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._ledger = ledger
        self._box = box

    def prove(self, job: Job, token: str, number_id: str, number: str) -> Wait | None:
        """Have a code sent and prove it; a wait while it is on its way, None when the number is proven."""
        with self._database.transaction(Scope.fleet()) as connection:
            code = store.unused_code(connection, job.workspace_id, job.codes_since)
            refused = store.codes_tried(connection, job.workspace_id, job.codes_since)
        if refused >= TRIED_AT_MOST:
            raise Permanent(f"WhatsApp refused {refused} codes for this number.")
        if code is None:
            waits = self._ask(job, token, number_id, number)
            with self._database.transaction(Scope.fleet()) as connection:
                code = store.unused_code(connection, job.workspace_id, job.codes_since)
            if code is None:
                return waits
        try:
            self._once(
                job,
                traces.VERIFIED_CODE,
                f"{number_id}:{code.message_id}",
                lambda: self._graph.verify_code(token, number_id, self._box.open(code.sealed_code)),
                lambda: traces.is_verified(self._graph, token, number_id),
            )
        except NotConfigured:
            raise
        except Permanent as error:
            self._use(job, code.message_id)
            raise Transient("WhatsApp refused the code; another one is asked for.") from error
        self._use(job, code.message_id)
        return None

    def _ask(self, job: Job, token: str, number_id: str, number: str) -> Wait:
        """Ask for a code, unless one is on its way still, or Meta has sent as many as it sends."""
        request = self._request(job, number)
        if isinstance(request, Wait):
            return request
        identity, tried = request
        self._once(
            job,
            traces.REQUESTED_CODE,
            f"{number_id}:{identity}:{tried}",
            lambda: self._graph.request_code(token, number_id, job.result("customer_validation").get("language", "en")),
            lambda: self._has_code(job),
        )
        with self._database.transaction(Scope.fleet()) as connection:
            channel_store.settle_code_request(connection, job.workspace_id, identity, "sent")
        return Wait("meta", "WhatsApp has been asked to send the number its code.")

    def _request(self, job: Job, number: str) -> tuple[UUID, int] | Wait:
        """The request to make, kept before it is made, with how many codes were tried by then; else a wait."""
        now = self._clocks.business.now()
        with self._database.transaction(Scope.fleet()) as connection:
            store.lock_job(connection, job.workspace_id)
            tried = store.codes_tried(connection, job.workspace_id)
            asked = channel_store.code_requests(connection, job.workspace_id, number)
            last = asked[-1] if asked else None
            if last is not None and last.state == "asked":
                return last.id, last.tried
            is_on_its_way = last is not None and last.tried == tried and now - last.asked_at < LOST_AFTER
            if is_on_its_way:
                return Wait("meta", "WhatsApp has been asked to send the number its code.")
            if sum(now - one.asked_at < WITHIN for one in asked) >= MOST_CODES:
                hours = WITHIN // timedelta(hours=1)
                return Wait(
                    "meta",
                    f"No code has come to {number}, and WhatsApp sends {MOST_CODES} within {hours} hours at most: "
                    "another one is asked for as soon as it may be. See whether SMS reach the number at Twilio.",
                )
            identity = new_id()
            values = {"id": identity, "phone_number": number, "method": "sms", "state": "asked", "tried": tried}
            channel_store.add_code_request(connection, job.workspace_id, {**values, "asked_at": now})
        return identity, tried

    def _has_code(self, job: Job) -> bool:
        with self._database.transaction(Scope.fleet()) as connection:
            return store.unused_code(connection, job.workspace_id, job.codes_since) is not None

    def _use(self, job: Job, message_id: str) -> None:
        with self._database.transaction(Scope.fleet()) as connection:
            store.use_code(connection, job.workspace_id, message_id, self._clocks.real.now())

    def _once(self, job: Job, kind: str, key: str, call: Callable[[], None], is_done: Callable[[], bool]) -> None:
        have_once(
            self._ledger, kind, key, call, is_done,
            workspace_id=job.workspace_id, correlation_id=job.correlation_id,
        )  # fmt: skip
