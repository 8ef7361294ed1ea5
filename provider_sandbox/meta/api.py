"""Meta's Graph API. What belongs here: paths, tokens in requests, answers; rules are the neighbours' here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from pilar.tokens import same
from provider_sandbox.config import SandboxConfig
from provider_sandbox.meta import accounts, businesses, errors, media, phones, templates
from provider_sandbox.meta.dialog import add_dialog
from provider_sandbox.meta.errors import GraphError
from provider_sandbox.meta.message_api import DONE, add_media, add_messages
from provider_sandbox.meta.messages import Messages
from provider_sandbox.meta.requests import document_of, fields_of, token_of
from provider_sandbox.meta.templates import Reviews
from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.tasks import TaskQueue

SHOWN_OF_WABA = (
    *("id", "name", "account_review_status", "business_verification_status", "currency"),
    *("message_template_namespace", "timezone_id", "owner_business_info"),
    "whatsapp_business_manager_messaging_limit",
)


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
    _template_routes(app, config, state, reviews)
    add_messages(app, state, messages)
    add_media(app, state)
    _phone_routes(app, config, state, deliveries)
    _node_routes(app, config, state, reviews)
    return app


def _token_routes(app: FastAPI, config: SandboxConfig, state: State) -> None:
    @app.get("/oauth/access_token")
    @app.post("/oauth/access_token")
    async def accesstoken_of(request: Request) -> Response:
        fields = await fields_of(request)
        if fields.get("client_id") != config.meta_app_id:
            raise GraphError(101, "Error validating application. Cannot get application info.")
        if not same(fields.get("client_secret", ""), config.meta_app_secret):
            raise GraphError(1, "Error validating client secret.")
        with state.transaction() as tx:
            token = accounts.exchange(tx, fields.get("code", ""), fields.get("redirect_uri", ""))
        return JSONResponse({"access_token": token, "token_type": "bearer"})

    @app.get("/debug_token")
    async def debugtoken_of(request: Request) -> Response:
        fields = await fields_of(request)
        if not same(token_of(request, fields), f"{config.meta_app_id}|{config.meta_app_secret}"):
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
        fields = await fields_of(request)
        with state.transaction() as tx:
            waba = accounts.waba(tx, token_of(request, fields), waba_id, request.method)
            tier, wanted = accounts.tier_of(waba), fields.get("fields")
            found = [phones.shown(body, tier, wanted) for body in tx.find(accounts.PHONE, owner=waba_id)]
        return JSONResponse({"data": found, "paging": {"cursors": {}}} if found else {"data": []})

    @app.post("/{waba_id}/phone_numbers")
    async def add_number(request: Request, waba_id: str) -> Response:
        fields = await fields_of(request)
        with state.transaction() as tx:
            waba = accounts.waba(tx, token_of(request, fields), waba_id, request.method)
            if businesses.restricted(tx, waba, businesses.ADDING_NUMBERS):
                raise errors.refused(368, "The business may add no number for a while.")
            return JSONResponse({"id": phones.add(tx, waba, fields)["id"]})

    @app.get("/{waba_id}/subscribed_apps")
    async def list_apps(request: Request, waba_id: str) -> Response:
        fields = await fields_of(request)
        with state.transaction() as tx:
            waba = accounts.waba(tx, token_of(request, fields), waba_id, request.method)
        link = f"https://www.facebook.com/games/?app_id={config.meta_app_id}"
        apps = [{"id": app_id, "link": link, "name": "PILAR"} for app_id in waba["subscribed"]]
        override = {"override_callback_uri": waba["override"]} if waba.get("override") else {}
        return JSONResponse({"data": [{"whatsapp_business_api_data": app, **override} for app in apps]})

    @app.post("/{waba_id}/subscribed_apps")
    async def subscribe(request: Request, waba_id: str) -> Response:
        fields = await fields_of(request)
        with state.transaction() as tx:
            waba = accounts.waba(tx, token_of(request, fields), waba_id, request.method)
            if config.meta_app_id not in waba["subscribed"]:
                tx.effect("meta.app_subscribed", waba_id)
            override = fields.get("override_callback_uri")
            tx.change(accounts.WABA, waba_id, {**waba, "subscribed": [config.meta_app_id], "override": override})
        return JSONResponse(DONE)

    @app.delete("/{waba_id}/subscribed_apps")
    async def unsubscribe(request: Request, waba_id: str) -> Response:
        fields = await fields_of(request)
        with state.transaction() as tx:
            waba = accounts.waba(tx, token_of(request, fields), waba_id, request.method)
            tx.change(accounts.WABA, waba_id, {**waba, "subscribed": []})
        return JSONResponse(DONE)


def _template_routes(app: FastAPI, config: SandboxConfig, state: State, reviews: Reviews) -> None:
    @app.get("/{waba_id}/message_templates")
    async def list_templates(request: Request, waba_id: str) -> Response:
        fields = await fields_of(request)
        with state.transaction() as tx:
            accounts.waba(tx, token_of(request, fields), waba_id, request.method)
            return JSONResponse(templates.listed(tx, waba_id, fields))

    @app.post("/{waba_id}/message_templates")
    async def submit_template(request: Request, waba_id: str) -> Response:
        document = document_of(await request.body())
        with state.transaction() as tx:
            waba = accounts.waba(tx, token_of(request, request.query_params), waba_id, request.method)
            template = templates.submit(tx, waba, document, config.meta_limits)
            reviews.ask(tx, template)
        return JSONResponse({name: template[name] for name in ("id", "status", "category")})

    @app.delete("/{waba_id}/message_templates")
    async def delete_template(request: Request, waba_id: str) -> Response:
        fields = await fields_of(request)
        with state.transaction() as tx:
            accounts.waba(tx, token_of(request, fields), waba_id, request.method)
            templates.delete(tx, waba_id, fields.get("name"), fields.get("hsm_id"))
        return JSONResponse(DONE)


def _phone_routes(app: FastAPI, config: SandboxConfig, state: State, deliveries: TaskQueue) -> None:
    most = config.meta_limits.registrations_a_week

    @app.post("/{phone_id}/register")
    async def register(request: Request, phone_id: str) -> Response:
        fields = await fields_of(request)
        with state.transaction() as tx:
            phone = accounts.phone(tx, token_of(request, fields), phone_id, request.method)
            refusal = phones.attempt_registration(tx, phone, fields, most)
        if refusal:
            raise refusal
        return JSONResponse(DONE)

    actions: dict[str, Callable[[Transaction, Body, Mapping[str, str]], None]] = {
        "request_code": lambda tx, phone, fields: phones.request_code(tx, deliveries, phone, fields),
        "verify_code": phones.verify_code,
        "deregister": lambda tx, phone, _fields: phones.deregister(tx, phone),
    }

    @app.post("/{phone_id}/{action}")
    async def act(request: Request, phone_id: str, action: str) -> Response:
        fields = await fields_of(request)
        if action not in actions:
            raise errors.unknown_path(f"/{action}")
        with state.transaction() as tx:
            phone = accounts.phone(tx, token_of(request, fields), phone_id, request.method)
            actions[action](tx, phone, fields)
        return JSONResponse(DONE)


def _node_routes(app: FastAPI, config: SandboxConfig, state: State, reviews: Reviews) -> None:
    @app.get("/{node_id}")
    async def fetch(request: Request, node_id: str) -> Response:
        fields = await fields_of(request)
        token, wanted = token_of(request, fields), fields.get("fields")
        base = str(request.url).partition("?")[0].removesuffix(node_id)
        with state.transaction() as tx:
            if tx.get(accounts.WABA, node_id):
                return JSONResponse(_shown_waba(tx, accounts.waba(tx, token, node_id, request.method), wanted))
            if template := _owned(tx, request, token, templates.KIND, node_id):
                return JSONResponse(templates.shown(template, wanted))
            if file := _owned(tx, request, token, media.KIND, node_id):
                return JSONResponse(media.shown(tx, file, base))
            phone = accounts.phone(tx, token, node_id, request.method)
            tier = accounts.tier_of(tx.get(accounts.WABA, phone["waba"]) or {})
            return JSONResponse(phones.shown(phone, tier, wanted))

    @app.post("/{template_id}")
    async def edit_template(request: Request, template_id: str) -> Response:
        document = document_of(await request.body())
        with state.transaction() as tx:
            token = token_of(request, request.query_params)
            template = _owned(tx, request, token, templates.KIND, template_id)
            if template is None:
                raise errors.out_of_reach(template_id, request.method)
            reviews.ask(tx, templates.edit(tx, template, document, config.meta_limits))
        return JSONResponse(DONE)

    @app.delete("/{media_id}")
    async def delete_media(request: Request, media_id: str) -> Response:
        fields = await fields_of(request)
        with state.transaction() as tx:
            file = _owned(tx, request, token_of(request, fields), media.KIND, media_id)
            if file is None:
                raise errors.out_of_reach(media_id, request.method)
            tx.remove(media.KIND, media_id)
        return JSONResponse(DONE)


def _owned(tx: Transaction, request: Request, token: str, kind: str, identity: str) -> Body | None:
    """A node of a kind where there is one of this id; raise where the token does not reach its business."""
    found = tx.get(kind, identity)
    gone = kind == media.KIND and found is not None and media.expired(tx, found)
    if found is not None and (gone or found["waba"] != accounts.reached_by(tx, token)):
        raise errors.out_of_reach(identity, request.method)
    return found


def _shown_waba(tx: Transaction, waba: Body, wanted: str | None) -> Body:
    """What Meta tells of a business; its health only where that is asked for."""
    owner = {"id": accounts.portfolio_of(waba), "name": waba["name"]}
    known = {**waba, "whatsapp_business_manager_messaging_limit": accounts.tier_of(waba), "owner_business_info": owner}
    shown = {name: known[name] for name in SHOWN_OF_WABA}
    is_asked = "health_status" in (wanted or "").split(",")
    return shown | {"health_status": businesses.health(tx, waba)} if is_asked else shown


async def _as_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, GraphError):
        raise error
    return JSONResponse(error.body, error.status)


async def _no_path(request: Request, _error: Exception) -> Response:
    return await _as_error(request, errors.unknown_path(request.url.path))
