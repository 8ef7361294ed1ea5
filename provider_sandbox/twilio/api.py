"""Twilio's HTTP API of 2010. What belongs here: paths, forms, paging; what they do is the neighbours' in this room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from provider_sandbox.config import SandboxConfig
from provider_sandbox.pages import form_fields
from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.tasks import TaskQueue
from provider_sandbox.twilio import accounts, answers, credentials, errors, messages, numbers, paging
from provider_sandbox.twilio.errors import TwilioError
from provider_sandbox.twilio.reports import Reports
from provider_sandbox.twilio.senders import Senders
from provider_sandbox.twilio.senders_api import add_senders

BASE = f"/{accounts.VERSION}/Accounts"


def twilio_app(
    config: SandboxConfig, state: State, deliveries: TaskQueue, reports: Reports, making: Senders
) -> FastAPI:
    """The application to mount where the product rewrites Twilio's hosts to."""

    async def check_played(request: Request) -> None:
        # In a transaction of its own: what is played is used up by the request that it fails.
        to = (await form_fields(request)).get("To") if request.method == "POST" else None
        with state.transaction() as tx:
            code = answers.take(tx, _path(request).partition("?")[0], to, later=False)
        if code is not None:
            raise answers.as_error(code)

    app = FastAPI(openapi_url=None, dependencies=[Depends(check_played)])
    app.add_exception_handler(TwilioError, _as_error)
    app.add_exception_handler(404, _no_path)
    app.add_exception_handler(405, _no_method)
    _account_routes(app, config, state)
    _key_routes(app, state)
    _number_routes(app, state)
    _message_routes(app, state, deliveries, reports)
    add_senders(app, state, making)
    return app


def _header(request: Request) -> str:
    return request.headers.get("authorization", "")


@contextmanager
def _caller(state: State, request: Request) -> Iterator[tuple[Transaction, Body]]:
    with state.transaction() as tx:
        yield tx, credentials.authenticate(tx, _header(request))


@contextmanager
def _account(state: State, request: Request, sid: str, *, active: bool = True) -> Iterator[tuple[Transaction, Body]]:
    with _caller(state, request) as (tx, caller):
        yield tx, accounts.reach(tx, caller, sid, active=active)


def _account_routes(app: FastAPI, config: SandboxConfig, state: State) -> None:
    @app.post(f"{BASE}.json")
    async def create_account(request: Request) -> Response:
        form = await form_fields(request)
        with _caller(state, request) as (tx, caller):
            credentials.refuse_keys(_header(request))
            body = accounts.create(tx, caller, form.get("FriendlyName"), config.twilio_subaccount_cap)
        return JSONResponse(body, 201)

    @app.get(f"{BASE}.json")
    async def list_accounts(request: Request) -> Response:
        query = request.query_params
        with _caller(state, request) as (tx, caller):
            found = accounts.listed(tx, caller, query.get("FriendlyName"), query.get("Status"))
        return _page(request, "accounts", found)

    @app.get(f"{BASE}/{{sid}}.json")
    async def fetch_account(request: Request, sid: str) -> Response:
        with _account(state, request, sid, active=False) as (_tx, account):
            return JSONResponse(account)

    @app.post(f"{BASE}/{{sid}}.json")
    async def update_account(request: Request, sid: str) -> Response:
        form = await form_fields(request)
        with _account(state, request, sid, active=False) as (tx, account):
            credentials.refuse_keys(_header(request))
            changed = accounts.update(tx, account, form.get("FriendlyName"), form.get("Status"))
            if changed["status"] == "closed":
                for number in tx.find(numbers.KIND, owner=sid):
                    numbers.release(tx, number)
        return JSONResponse(changed)


def _key_routes(app: FastAPI, state: State) -> None:
    keys_path = f"{BASE}/{{sid}}/Keys"

    @contextmanager
    def manager(request: Request, sid: str) -> Iterator[tuple[Transaction, Body]]:
        with _account(state, request, sid) as (tx, account):
            credentials.refuse_keys(_header(request))
            yield tx, account

    @app.post(f"{keys_path}.json")
    async def create_key(request: Request, sid: str) -> Response:
        form = await form_fields(request)
        with manager(request, sid) as (tx, account):
            return JSONResponse(credentials.create(tx, account, form.get("FriendlyName")), 201)

    @app.get(f"{keys_path}.json")
    async def list_keys(request: Request, sid: str) -> Response:
        with manager(request, sid) as (tx, account):
            found = [credentials.shown(key) for key in tx.find(credentials.KIND, owner=account["sid"])]
        return _page(request, "keys", found)

    @app.get(f"{keys_path}/{{key_sid}}.json")
    async def fetch_key(request: Request, sid: str, key_sid: str) -> Response:
        with manager(request, sid) as (tx, account):
            return JSONResponse(credentials.shown(credentials.existing(tx, account, key_sid)))

    @app.post(f"{keys_path}/{{key_sid}}.json")
    async def rename_key(request: Request, sid: str, key_sid: str) -> Response:
        form = await form_fields(request)
        with manager(request, sid) as (tx, account):
            key = credentials.existing(tx, account, key_sid)
            return JSONResponse(credentials.shown(credentials.rename(tx, key, form.get("FriendlyName"))))

    @app.delete(f"{keys_path}/{{key_sid}}.json")
    async def delete_key(request: Request, sid: str, key_sid: str) -> Response:
        with manager(request, sid) as (tx, account):
            credentials.delete(tx, credentials.existing(tx, account, key_sid))
        return Response(status_code=204)


def _number_routes(app: FastAPI, state: State) -> None:
    numbers_path = f"{BASE}/{{sid}}/IncomingPhoneNumbers"

    @app.get(f"{BASE}/{{sid}}/AvailablePhoneNumbers/{{country}}/Local.json")
    async def search_numbers(request: Request, sid: str, country: str) -> Response:
        with _account(state, request, sid) as (tx, account):
            found = numbers.available(tx, account, country.upper(), request.query_params)
        return JSONResponse({"available_phone_numbers": found, "uri": _path(request)})

    @app.post(f"{numbers_path}.json")
    async def buy_number(request: Request, sid: str) -> Response:
        form = await form_fields(request)
        with _account(state, request, sid) as (tx, account):
            return JSONResponse(numbers.buy(tx, account, form), 201)

    @app.get(f"{numbers_path}.json")
    async def list_numbers(request: Request, sid: str) -> Response:
        with _account(state, request, sid) as (tx, account):
            found = numbers.listed(tx, account, request.query_params)
        return _page(request, "incoming_phone_numbers", found)

    @app.get(f"{numbers_path}/{{number_sid}}.json")
    async def fetch_number(request: Request, sid: str, number_sid: str) -> Response:
        with _account(state, request, sid) as (tx, account):
            return JSONResponse(numbers.existing(tx, account, number_sid))

    @app.post(f"{numbers_path}/{{number_sid}}.json")
    async def update_number(request: Request, sid: str, number_sid: str) -> Response:
        form = await form_fields(request)
        with _account(state, request, sid) as (tx, account):
            return JSONResponse(numbers.change(tx, numbers.existing(tx, account, number_sid), form))

    @app.delete(f"{numbers_path}/{{number_sid}}.json")
    async def release_number(request: Request, sid: str, number_sid: str) -> Response:
        with _account(state, request, sid) as (tx, account):
            numbers.release(tx, numbers.existing(tx, account, number_sid))
        return Response(status_code=204)


def _message_routes(app: FastAPI, state: State, deliveries: TaskQueue, reports: Reports) -> None:
    messages_path = f"{BASE}/{{sid}}/Messages"

    @app.post(f"{messages_path}.json")
    async def send_message(request: Request, sid: str) -> Response:
        form = await form_fields(request)
        with _account(state, request, sid) as (tx, account):
            return JSONResponse(messages.send(tx, deliveries, reports, account, form), 201)

    @app.get(f"{messages_path}.json")
    async def list_messages(request: Request, sid: str) -> Response:
        with _account(state, request, sid) as (tx, account):
            found = messages.listed(tx, account, request.query_params)
        return _page(request, "messages", found)

    @app.get(f"{messages_path}/{{message_sid}}.json")
    async def fetch_message(request: Request, sid: str, message_sid: str) -> Response:
        with _account(state, request, sid) as (tx, account):
            return JSONResponse(messages.existing(tx, account, message_sid))


def _path(request: Request, **changed: int) -> str:
    """The request's own path and query as Twilio writes links: below the host, with some parameters changed."""
    path = request.url.path.removeprefix(str(request.scope.get("root_path", "")))
    query = urlencode(dict(request.query_params) | {name: str(value) for name, value in changed.items()})
    return f"{path}?{query}" if query else path


def _page(request: Request, name: str, found: list[Body]) -> Response:
    size, page = paging.size_of(request.query_params, 50), paging.page_of(request.query_params)
    start = page * size
    shown = found[start : start + size]
    following = start + size < len(found)
    return JSONResponse(
        {
            name: shown,
            "end": start + max(len(shown) - 1, 0),
            "first_page_uri": _path(request, PageSize=size, Page=0),
            "next_page_uri": _path(request, PageSize=size, Page=page + 1) if following else None,
            "page": page,
            "page_size": size,
            "previous_page_uri": _path(request, PageSize=size, Page=page - 1) if page else None,
            "start": start,
            "uri": _path(request, PageSize=size, Page=page),
        }
    )


async def _as_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, TwilioError):
        raise error
    return JSONResponse(error.body, error.status)


async def _no_path(request: Request, _error: Exception) -> Response:
    return await _as_error(request, errors.not_found(_path(request)))


async def _no_method(request: Request, _error: Exception) -> Response:
    return await _as_error(request, errors.not_allowed(_path(request)))
