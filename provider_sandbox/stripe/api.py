"""Stripe's HTTP API. What belongs here: paths, the key check, whom it is done for; each path's work is not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response

from pilar.tokens import same
from provider_sandbox.config import SandboxConfig
from provider_sandbox.state import Body, State
from provider_sandbox.stripe import (
    accounts,
    catalog,
    checkout,
    errors,
    forms,
    invoicing,
    lists,
    money,
    objects,
    payments,
    store,
    subscriptions,
    transfers,
)
from provider_sandbox.stripe.agenda import Agenda
from provider_sandbox.stripe.checkout_page import checkout_pages
from provider_sandbox.stripe.connect_page import connect_pages
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.errors import StripeError
from provider_sandbox.stripe.idempotency import Once, answer
from provider_sandbox.stripe.operations import Ids, Operation
from provider_sandbox.stripe.params import Params
from provider_sandbox.stripe.store import RESOURCES, Resource
from provider_sandbox.tasks import TaskQueue

OPERATIONS: tuple[Operation, ...] = (
    *accounts.OPERATIONS,
    *catalog.OPERATIONS,
    *checkout.OPERATIONS,
    *invoicing.OPERATIONS,
    *money.OPERATIONS,
    *payments.OPERATIONS,
    *subscriptions.OPERATIONS,
    *transfers.OPERATIONS,
)
OF_ACCOUNTS = ("/v1/balance", "/v1/payouts", "/v1/balance_transactions")
"""What connected accounts have of their own."""

Endpoint = Callable[..., Awaitable[Response]]


def stripe_app(config: SandboxConfig, state: State, deliveries: TaskQueue, agenda: Agenda) -> FastAPI:
    """The application to mount where the SDK's API base points; the pages for people are beside the API."""

    async def check_key(request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same(key, config.stripe_api_key):
            raise errors.bad_key()

    async def catch_up(request: Request) -> None:
        base = f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}"
        with state.transaction() as tx:
            if tx.setting(checkout.PUBLIC_BASE) != base:
                tx.remember(checkout.PUBLIC_BASE, base)
        await agenda.catch_up()

    app = FastAPI(openapi_url=None)
    app.add_exception_handler(StripeError, _as_error)
    app.add_exception_handler(404, _unknown_path)
    app.add_exception_handler(405, _unknown_path)
    app.include_router(checkout_pages(state, deliveries))
    app.include_router(connect_pages(state, deliveries))
    api = APIRouter(dependencies=[Depends(check_key), Depends(catch_up)])
    desks = _Desks(state, deliveries)
    for operation in OPERATIONS:
        api.add_api_route(operation.path, desks.operate(operation), methods=[operation.method])
    api.add_api_route("/v1/checkout/sessions/{identity}/line_items", desks.line_items())
    api.add_api_route("/v1/invoices/{identity}/lines", desks.invoice_lines())
    for resource in RESOURCES:
        api.add_api_route(f"/v1/{resource.path}", desks.list_all(resource))
        api.add_api_route(f"/v1/{resource.path}/{{id}}", desks.retrieve(resource))
        if resource.editable is not None:
            edit = Operation("POST", f"/v1/{resource.path}/{{id}}", _edit(resource))
            api.add_api_route(edit.path, desks.operate(edit), methods=["POST"])
    app.include_router(api)
    return app


class _Desks:
    """Makes the endpoints."""

    def __init__(self, state: State, deliveries: TaskQueue) -> None:
        self._state = state
        self._deliveries = deliveries
        self._once = Once(state, deliveries)

    def operate(self, operation: Operation) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            account = self._account(request)

            def change(desk: Desk, encoded: str) -> Body:
                fields = forms.decode(encoded)
                wanted = {"expand": fields.pop("expand", [])}
                return _expand(desk, operation.does(desk, Params(fields), request.path_params), wanted)

            if operation.method == "GET":
                with self._state.transaction() as tx:
                    return answer(change(Desk(tx, self._deliveries, account=account), request.url.query))
            return await self._once.make(request, account, change)

        return endpoint

    def retrieve(self, resource: Resource) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            wanted = forms.decode(request.url.query)
            for name in wanted:
                if name != "expand":
                    raise errors.unknown_parameter(name)
            account = self._account(request)
            with self._state.transaction() as tx:
                desk = Desk(tx, self._deliveries, account=account)
                body = desk.existing(resource.label, request.path_params["id"])
                return answer(_expand(desk, body, wanted))

        return endpoint

    def list_all(self, resource: Resource) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            wanted = forms.decode(request.url.query)
            account = self._account(request)
            with self._state.transaction() as tx:
                desk = Desk(tx, self._deliveries, account=account)
                page, more = lists.listed(desk, resource, wanted)
                data = [_expand(desk, body, wanted, inside="data") for body in page]
            return answer(objects.listing(f"/v1/{resource.path}", data, has_more=more))

        return endpoint

    def line_items(self) -> Endpoint:
        async def endpoint(identity: str) -> Response:
            with self._state.transaction() as tx:
                session = Desk(tx, self._deliveries).existing("checkout.session", identity)
                return answer(store.line_items(tx, session))

        return endpoint

    def invoice_lines(self) -> Endpoint:
        async def endpoint(identity: str) -> Response:
            with self._state.transaction() as tx:
                return answer(Desk(tx, self._deliveries).existing("invoice", identity)["lines"])

        return endpoint

    def _account(self, request: Request) -> str | None:
        """The connected account that is acted for, as the header names it."""
        account = request.headers.get("stripe-account")
        if not account:
            return None
        with self._state.transaction() as tx:
            if tx.get("stripe.account", account) is None:
                raise errors.no_account(account)
        if not request.url.path.removeprefix(request.scope.get("root_path", "")).startswith(OF_ACCOUNTS):
            raise errors.platform_only(account)
        return account


def _edit(resource: Resource) -> Callable[[Desk, Params, Ids], Body]:
    def edit(desk: Desk, params: Params, ids: Ids) -> Body:
        body = desk.existing(resource.label, ids["id"])
        body["metadata"] = params.metadata(body["metadata"])
        for name in resource.editable or ():
            if name in params:
                body[name] = params.text(name)
        params.done()
        return desk.change(body)

    return edit


def _expand(desk: Desk, body: Body, wanted: dict[str, Any], inside: str = "") -> Body:
    for path in wanted.get("expand", []):
        parts = path.split(".")
        if inside and parts[0] == inside:
            parts = parts[1:]
        body = store.expanded(desk.tx, body, parts)
    return checkout.seen(body)


async def _as_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, StripeError):
        raise error
    return answer(error.body, error.status)


async def _unknown_path(request: Request, _error: Exception) -> Response:
    error = errors.no_such_path(request.method, request.url.path)
    return answer(error.body, error.status)
