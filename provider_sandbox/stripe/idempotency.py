"""Changes, once per idempotency key. What belongs here: the keys; what a change is comes from the caller.

As Stripe documents it: the first answer of a key is kept for a day, error or not, and given again to the same request;
another request under the key is refused, and so is one that comes while the first is at work. What is refused before
its endpoint is at work (a wrong parameter, a wrong key) keeps nothing. Keys age in real time: they guard the retries of
a process that runs in real time, and a business clock that leaps a month must not turn a retry into a second transfer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.stripe import errors, objects
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.errors import StripeError
from provider_sandbox.tasks import TaskQueue

KEY_LIFE = 24 * 3600
LONGEST_KEY = 255
SEED = 1
"""Draws the disorder of the webhooks that a request brings about."""

Change = Callable[[Desk, str], Body]
"""Makes a change, given the encoded parameters; raises `StripeError`."""


class Once:
    """Makes each change once per key."""

    def __init__(self, state: State, deliveries: TaskQueue) -> None:
        self._state = state
        self._deliveries = deliveries
        # Requests that are at work: with the process they end too, so nothing has to be kept of them.
        self._at_work: set[str] = set()

    async def make(self, request: Request, account: str | None, change: Change) -> Response:
        """Make a change, or give the answer that it was given before; a refusal leaves everything as it was."""
        # A DELETE is idempotent by itself: Stripe takes no notice of its key.
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if not key:
            encoded = await encoded_parameters(request)
            with self._state.transaction() as tx:
                return self._made(tx, account, change, encoded)
        if len(key) > LONGEST_KEY:
            raise errors.refused(f"Idempotency keys are at most {LONGEST_KEY} characters long.")
        kept_as = f"{account or ''} {key}"
        if kept_as in self._at_work:
            raise errors.key_in_use(key)
        self._at_work.add(kept_as)
        try:
            encoded = await encoded_parameters(request)
            fingerprint = hashlib.sha256(f"{request.method} {request.url.path}\n{encoded}".encode()).hexdigest()
            with self._state.transaction() as tx:
                if earlier := _replay(tx, kept_as, key, fingerprint):
                    return earlier
                made = self._made(tx, account, change, encoded, key)
                _keep(tx, kept_as, fingerprint, made)
                return made
        finally:
            self._at_work.discard(kept_as)

    def _made(
        self,
        tx: Transaction,
        account: str | None,
        change: Change,
        encoded: str,
        key: str | None = None,
    ) -> Response:
        headers = {"Idempotency-Key": key} if key else {}
        identity = objects.new_id("req")
        desk = Desk(tx, self._deliveries, account=account, request={"id": identity, "idempotency_key": key})
        tx.run("savepoint change")
        try:
            made = answer(change(desk, encoded), identity=identity, headers=headers)
            desk.send(SEED)
        except StripeError as error:
            if not error.began:
                raise
            if error.keeps:
                desk.send(SEED)
            else:
                tx.run("rollback to change")
            made = answer(error.body, error.status, identity=identity, headers=headers)
        tx.run("release change")
        return made


async def encoded_parameters(request: Request) -> str:
    """The parameters of a request as they were sent: in the body, and for a DELETE in the address."""
    try:
        body = (await request.body()).decode()
    except UnicodeDecodeError:
        raise errors.refused("The parameters are not UTF-8.", began=False) from None
    return "&".join(part for part in (request.url.query, body) if part)


def answer(body: Body, status: int = 200, *, identity: str = "", headers: dict[str, str] | None = None) -> Response:
    """An answer as Stripe gives them."""
    told = {"Request-Id": identity or objects.new_id("req"), "Stripe-Version": objects.API_VERSION}
    return JSONResponse(body, status, told | (headers or {}))


def _replay(tx: Transaction, kept_as: str, key: str, fingerprint: str) -> Response | None:
    rows = tx.run("select * from replay where key = ? and at > ?", kept_as, tx.now().timestamp() - KEY_LIFE)
    if not rows:
        return None
    if rows[0]["fingerprint"] != fingerprint:
        raise errors.key_reused()
    again = {"Idempotent-Replayed": "true", "Original-Request": rows[0]["request_id"], "Idempotency-Key": key}
    return answer(json.loads(rows[0]["body"]), rows[0]["status"], headers=again)


def _keep(tx: Transaction, kept_as: str, fingerprint: str, made: Response) -> None:
    tx.run(
        "insert or replace into replay (key, fingerprint, request_id, status, body, at) values (?, ?, ?, ?, ?, ?)",
        *(kept_as, fingerprint, made.headers["Request-Id"], made.status_code, bytes(made.body).decode()),
        tx.now().timestamp(),
    )
