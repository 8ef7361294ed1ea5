"""Stripe's HTTP API. What belongs here: paths, the key check, idempotency, lists; objects are `store.py`'s."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from pilar.tokens import same
from provider_sandbox.config import SandboxConfig
from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.stripe import errors, forms, money, objects, store
from provider_sandbox.stripe.errors import StripeError
from provider_sandbox.stripe.store import RESOURCES, Resource
from provider_sandbox.tasks import TaskQueue

KEY_LIFE = 24 * 3600
COMMON = {"limit", "starting_after", "ending_before", "expand", "created"}
EDITABLE = {"name", "email", "phone", "description"}
REFUND = {"charge", "payment_intent", "amount", "reason", "metadata", "expand"}


def stripe_app(config: SandboxConfig, state: State, deliveries: TaskQueue) -> FastAPI:
    """The application to mount where the SDK's API base points."""

    async def check_key(request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same(key, config.stripe_api_key):
            raise errors.bad_key()

    app = FastAPI(openapi_url=None, dependencies=[Depends(check_key)])
    app.add_exception_handler(StripeError, _as_error)
    app.add_exception_handler(404, _unknown_path)
    app.add_exception_handler(405, _unknown_path)
    app.add_api_route("/v1/checkout/sessions/{identity}/line_items", _line_items(state))
    for resource in RESOURCES:
        app.add_api_route(f"/v1/{resource.path}", _list(state, resource))
        app.add_api_route(f"/v1/{resource.path}/{{identity}}", _retrieve(state, resource))
        if resource.editable:
            app.add_api_route(f"/v1/{resource.path}/{{identity}}", _update(state, resource), methods=["POST"])
    app.add_api_route("/v1/refunds", _refund(state, deliveries), methods=["POST"])
    return app


Endpoint = Callable[..., Awaitable[Response]]


def _retrieve(state: State, resource: Resource) -> Endpoint:
    async def retrieve(request: Request, identity: str) -> Response:
        wanted = forms.decode(request.url.query)
        with state.transaction() as tx:
            return _answer(_expand(tx, money.existing(tx, resource.label, identity), wanted))

    return retrieve


def _line_items(state: State) -> Endpoint:
    async def line_items(identity: str) -> Response:
        with state.transaction() as tx:
            session = money.existing(tx, "checkout.session", identity)
            return _answer(store.line_items(tx, session))

    return line_items


def _list(state: State, resource: Resource) -> Endpoint:
    known = COMMON | resource.parameters

    async def list_all(request: Request) -> Response:
        wanted = forms.decode(request.url.query)
        for name in wanted:
            if name not in known:
                raise errors.unknown_parameter(name)
        with state.transaction() as tx:
            owner, key = resource.wanted(wanted)
            found = tx.find(resource.kind, owner=owner, key=key)
            found = [body for body in reversed(found) if _matches(body, wanted)]
            page, more = _page(found, wanted, resource)
            data = [_expand(tx, body, wanted, inside="data") for body in page]
        return _answer(objects.listing(f"/v1/{resource.path}", data, has_more=more))

    return list_all


def _matches(body: Body, wanted: dict[str, Any]) -> bool:
    if not _has_wanted_status(body, wanted.get("status")):
        return False
    limits = wanted.get("created", {})
    if not isinstance(limits, dict):
        limits = {"gte": limits, "lte": limits}
    compare: dict[str, Callable[[int, int], bool]] = {
        "gt": int.__gt__,
        "gte": int.__ge__,
        "lt": int.__lt__,
        "lte": int.__le__,
    }
    return all(compare[name](body["created"], int(limit)) for name, limit in limits.items())


def _has_wanted_status(body: Body, status: str | None) -> bool:
    if status is None:
        return body["object"] != "subscription" or body["status"] != "canceled"
    return bool(status == body["status"]) or (status == "all" and body["object"] == "subscription")


def _page(found: list[Body], wanted: dict[str, Any], resource: Resource) -> tuple[list[Body], bool]:
    limit = int(text) if (text := str(wanted.get("limit", 10))).isdigit() else 0
    if not 1 <= limit <= 100:
        raise StripeError(400, "Invalid limit: it is between 1 and 100.", param="limit")
    positions = {body["id"]: position for position, body in enumerate(found)}
    for name in ("starting_after", "ending_before"):
        if name in wanted and wanted[name] not in positions:
            raise errors.no_such(resource.label, wanted[name])
    if "ending_before" in wanted:
        end = positions[wanted["ending_before"]]
        return found[max(0, end - limit) : end], end > limit
    start = positions[wanted["starting_after"]] + 1 if "starting_after" in wanted else 0
    return found[start : start + limit], start + limit < len(found)


def _update(state: State, resource: Resource) -> Endpoint:
    async def update(request: Request, identity: str) -> Response:
        return await _once(state, request, lambda tx, fields: _edited(tx, resource, identity, fields))

    return update


def _refund(state: State, deliveries: TaskQueue) -> Endpoint:
    async def refund(request: Request) -> Response:
        return await _once(state, request, lambda tx, fields: _refunded(tx, deliveries, fields))

    return refund


async def _once(state: State, request: Request, change: Callable[[Transaction, dict[str, Any]], Body]) -> Response:
    """Make a change, once per idempotency key; a refusal leaves everything as it was."""
    encoded = (await request.body()).decode()
    fields = forms.decode(encoded)
    key = request.headers.get("idempotency-key")
    fingerprint = hashlib.sha256(f"{request.url.path}\n{encoded}".encode()).hexdigest()
    with state.transaction() as tx:
        if key and (earlier := _replay(tx, key, fingerprint)):
            return earlier
        try:
            answer = _answer(_expand(tx, change(tx, fields), fields))
        except StripeError as error:
            answer = _answer(error.body, error.status)
        if key:
            _keep(tx, key, fingerprint, answer)
    return answer


def _refunded(tx: Transaction, deliveries: TaskQueue, fields: dict[str, Any]) -> Body:
    for name in fields:
        if name not in REFUND:
            raise errors.unknown_parameter(name)
    charge_id = fields.get("charge")
    if intent_id := fields.get("payment_intent"):
        charge_id = money.existing(tx, "payment_intent", intent_id)["latest_charge"]
    if not charge_id:
        raise errors.missing("charge")
    amount = fields.get("amount")
    if amount is not None and not (amount.isascii() and amount.isdigit()):
        raise errors.no_amount(amount)
    gone, _events = money.refund(
        tx,
        deliveries,
        charge_id,
        amount=None if amount is None else int(amount),
        reason=fields.get("reason"),
        metadata=fields.get("metadata"),
    )
    return gone


def _edited(tx: Transaction, resource: Resource, identity: str, fields: dict[str, Any]) -> Body:
    body = money.existing(tx, resource.label, identity)
    for name, value in fields.items():
        if name == "metadata":
            # An empty string in place of the dict clears it; an empty value removes one key.
            merged = {**body["metadata"], **value} if isinstance(value, dict) else {}
            body["metadata"] = {key: text for key, text in merged.items() if text != ""}
        elif name in EDITABLE and name in body:
            body[name] = value or None
        elif name != "expand":
            raise errors.unknown_parameter(name)
    return tx.change(resource.kind, identity, body)


def _replay(tx: Transaction, key: str, fingerprint: str) -> Response | None:
    rows = tx.run("select * from replay where key = ? and at > ?", key, tx.now().timestamp() - KEY_LIFE)
    if not rows:
        return None
    if rows[0]["fingerprint"] != fingerprint:
        raise errors.key_reused()
    answer = _answer(json.loads(rows[0]["body"]), rows[0]["status"])
    answer.headers["Idempotent-Replayed"] = "true"
    answer.headers["Original-Request"] = rows[0]["request_id"]
    answer.headers["Idempotency-Key"] = key
    return answer


def _keep(tx: Transaction, key: str, fingerprint: str, answer: Response) -> None:
    answer.headers["Idempotency-Key"] = key
    tx.run(
        "insert or replace into replay (key, fingerprint, request_id, status, body, at) values (?, ?, ?, ?, ?, ?)",
        *(key, fingerprint, answer.headers["Request-Id"], answer.status_code, bytes(answer.body).decode()),
        tx.now().timestamp(),
    )


def _expand(tx: Transaction, body: Body, wanted: dict[str, Any], inside: str = "") -> Body:
    for path in wanted.get("expand", []):
        parts = path.split(".")
        if inside and parts[0] == inside:
            parts = parts[1:]
        body = store.expanded(tx, body, parts)
    return body


def _answer(body: Body, status: int = 200) -> Response:
    headers = {"Request-Id": objects.new_id("req"), "Stripe-Version": objects.API_VERSION}
    return JSONResponse(body, status, headers)


async def _as_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, StripeError):
        raise error
    return _answer(error.body, error.status)


async def _unknown_path(request: Request, _error: Exception) -> Response:
    error = errors.no_such_path(request.method, request.url.path)
    return _answer(error.body, error.status)
