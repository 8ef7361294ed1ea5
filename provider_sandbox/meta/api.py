"""Meta's Graph API. What belongs here: paths, tokens in requests, answers; rules are the neighbours' here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from pilar.tokens import same
from provider_sandbox.config import SandboxConfig
from provider_sandbox.meta import accounts, errors, phones, templates
from provider_sandbox.meta.dialog import add_dialog
from provider_sandbox.meta.errors import GraphError
from provider_sandbox.meta.messages import Messages
from provider_sandbox.meta.templates import Reviews
from provider_sandbox.pages import form_fields
from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.tasks import TaskQueue

SHOWN_OF_WABA = (
    *("id", "name", "account_review_status", "business_verification_status", "currency"),
    *("message_template_namespace", "timezone_id"),
)
DONE = {"success": True}


def meta_app(
    config: SandboxConfig, state: State, deliveries: TaskQueue, messages: Messages, reviews: Reviews
) -> FastAPI:
    """The application to mount at `{version}` below both the Graph base and the dialog base."""

    async def check_version(request: Request) -> None:
        if not re.fullmatch(r"v\d+\.\d+", request.path_params.get("version", "")):
            raise errors.unknown_path(request.url.path)

    app = FastAPI(openapi_url=None, dependencies=[Depends(check_version)])
    app.add_exception_handler(GraphError, _as_error)
    app.add_exception_handler(404, _no_path)
    app.add_exception_handler(405, _no_path)
    add_dialog(app, config, state)
    _token_routes(app, config, state)
    _waba_routes(app, config, state)
    _template_routes(app, state, reviews)
    _message_routes(app, state, messages)
    _phone_routes(app, state, deliveries)
    return app


def _token_routes(app: FastAPI, config: SandboxConfig, state: State) -> None:
    @app.get("/oauth/access_token")
    @app.post("/oauth/access_token")
    async def access_token(request: Request) -> Response:
        fields = await _fields(request)
        if fields.get("client_id") != config.meta_app_id:
            raise GraphError(101, "Error validating application. Cannot get application info.")
        if not same(fields.get("client_secret", ""), config.meta_app_secret):
            raise GraphError(1, "Error validating client secret.")
        with state.transaction() as tx:
            token = accounts.exchange(tx, fields.get("code", ""), fields.get("redirect_uri", ""))
        return JSONResponse({"access_token": token, "token_type": "bearer"})

    @app.get("/debug_token")
    async def debug_token(request: Request) -> Response:
        fields = await _fields(request)
        if not same(_token(request, fields), f"{config.meta_app_id}|{config.meta_app_secret}"):
            raise errors.bad_token()
        with state.transaction() as tx:
            known = tx.get(accounts.TOKEN, fields.get("input_token", ""))
        return JSONResponse({"data": _described(config, known)})


def _described(config: SandboxConfig, token: Body | None) -> Body:
    if token is None:
        error = {"code": 190, "message": "The access token could not be decrypted"}
        return {"app_id": config.meta_app_id, "error": error, "is_valid": False, "scopes": []}
    return {
        "app_id": config.meta_app_id,
        "application": "PILAR",
        "data_access_expires_at": 0,
        "expires_at": 0,
        "granular_scopes": [{"scope": scope, "target_ids": [token["waba"]]} for scope in accounts.SCOPES],
        "is_valid": True,
        "issued_at": int(token["at"]),
        "scopes": list(accounts.SCOPES),
        "type": "SYSTEM_USER",
    }


def _waba_routes(app: FastAPI, config: SandboxConfig, state: State) -> None:
    @app.get("/{waba_id}/phone_numbers")
    async def list_numbers(request: Request, waba_id: str) -> Response:
        fields = await _fields(request)
        with state.transaction() as tx:
            accounts.waba(tx, _token(request, fields), waba_id, request.method)
            found = [phones.shown(body, fields.get("fields")) for body in tx.find(accounts.PHONE, owner=waba_id)]
        return JSONResponse({"data": found, "paging": {"cursors": {}}} if found else {"data": []})

    @app.post("/{waba_id}/phone_numbers")
    async def add_number(request: Request, waba_id: str) -> Response:
        fields = await _fields(request)
        with state.transaction() as tx:
            waba = accounts.waba(tx, _token(request, fields), waba_id, request.method)
            return JSONResponse({"id": phones.add(tx, waba, fields)["id"]})

    @app.get("/{waba_id}/subscribed_apps")
    async def list_apps(request: Request, waba_id: str) -> Response:
        fields = await _fields(request)
        with state.transaction() as tx:
            waba = accounts.waba(tx, _token(request, fields), waba_id, request.method)
        link = f"https://www.facebook.com/games/?app_id={config.meta_app_id}"
        apps = [{"id": app_id, "link": link, "name": "PILAR"} for app_id in waba["subscribed"]]
        return JSONResponse({"data": [{"whatsapp_business_api_data": app} for app in apps]})

    @app.post("/{waba_id}/subscribed_apps")
    async def subscribe(request: Request, waba_id: str) -> Response:
        fields = await _fields(request)
        with state.transaction() as tx:
            waba = accounts.waba(tx, _token(request, fields), waba_id, request.method)
            if config.meta_app_id not in waba["subscribed"]:
                tx.change(accounts.WABA, waba_id, {**waba, "subscribed": [config.meta_app_id]})
                tx.effect("meta.app_subscribed", waba_id)
        return JSONResponse(DONE)

    @app.delete("/{waba_id}/subscribed_apps")
    async def unsubscribe(request: Request, waba_id: str) -> Response:
        fields = await _fields(request)
        with state.transaction() as tx:
            waba = accounts.waba(tx, _token(request, fields), waba_id, request.method)
            tx.change(accounts.WABA, waba_id, {**waba, "subscribed": []})
        return JSONResponse(DONE)


def _template_routes(app: FastAPI, state: State, reviews: Reviews) -> None:
    @app.get("/{waba_id}/message_templates")
    async def list_templates(request: Request, waba_id: str) -> Response:
        fields = await _fields(request)
        with state.transaction() as tx:
            accounts.waba(tx, _token(request, fields), waba_id, request.method)
            return JSONResponse(templates.listed(tx, waba_id, fields))

    @app.post("/{waba_id}/message_templates")
    async def submit_template(request: Request, waba_id: str) -> Response:
        document = _document(await request.body())
        with state.transaction() as tx:
            waba = accounts.waba(tx, _token(request, request.query_params), waba_id, request.method)
            template = templates.submit(tx, waba, document)
            reviews.ask(tx, template)
        return JSONResponse({name: template[name] for name in ("id", "status", "category")})


def _message_routes(app: FastAPI, state: State, messages: Messages) -> None:
    @app.post("/{phone_id}/messages")
    async def send_message(request: Request, phone_id: str) -> Response:
        document = _document(await request.body())
        with state.transaction() as tx:
            phone = accounts.phone(tx, _token(request, request.query_params), phone_id, request.method)
            return JSONResponse(messages.send(tx, phone, document))


def _phone_routes(app: FastAPI, state: State, deliveries: TaskQueue) -> None:
    actions: dict[str, Callable[[Transaction, Body, Mapping[str, str]], None]] = {
        "request_code": lambda tx, phone, fields: phones.request_code(tx, deliveries, phone, fields),
        "verify_code": phones.verify_code,
        "register": phones.register,
    }

    @app.post("/{phone_id}/{action}")
    async def act(request: Request, phone_id: str, action: str) -> Response:
        fields = await _fields(request)
        if action not in actions:
            raise errors.unknown_path(f"/{action}")
        with state.transaction() as tx:
            phone = accounts.phone(tx, _token(request, fields), phone_id, request.method)
            actions[action](tx, phone, fields)
        return JSONResponse(DONE)

    @app.get("/{node_id}")
    async def fetch(request: Request, node_id: str) -> Response:
        fields = await _fields(request)
        token = _token(request, fields)
        with state.transaction() as tx:
            if tx.get(accounts.WABA, node_id):
                waba = accounts.waba(tx, token, node_id, request.method)
                return JSONResponse({name: waba[name] for name in SHOWN_OF_WABA})
            return JSONResponse(phones.shown(accounts.phone(tx, token, node_id, request.method), fields.get("fields")))


async def _fields(request: Request) -> dict[str, str]:
    """Parameters from the query and from a body in JSON or form encoding: the Graph API takes all of them."""
    fields = dict(request.query_params)
    if request.method == "POST":
        if "json" in request.headers.get("content-type", ""):
            fields |= _strings(await request.body())
        else:
            fields |= await form_fields(request)
    return fields


def _strings(body: bytes) -> dict[str, str]:
    content = _document(body)
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in content.items()}


def _document(body: bytes) -> dict[str, Any]:
    try:
        content: Any = json.loads(body or b"{}")
    except ValueError as error:
        raise errors.invalid("The body is not JSON.") from error
    if not isinstance(content, dict):
        raise errors.invalid("The body is not an object.")
    return content


def _token(request: Request, fields: Mapping[str, str]) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else fields.get("access_token", "")


async def _as_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, GraphError):
        raise error
    return JSONResponse(error.body, error.status)


async def _no_path(request: Request, _error: Exception) -> Response:
    return await _as_error(request, errors.unknown_path(request.url.path))
