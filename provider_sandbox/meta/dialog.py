"""Embedded Signup. What belongs here: the page on which a studio's owner accepts, and the way back to the product."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from provider_sandbox.config import SandboxConfig
from provider_sandbox.meta import accounts
from provider_sandbox.pages import form_fields, render
from provider_sandbox.state import State

PASSED_ON = ("client_id", "redirect_uri", "state", "config_id", "response_type")


def add_dialog(app: FastAPI, config: SandboxConfig, state: State) -> None:
    """Add the dialog's page and what its button does."""

    @app.get("/dialog/oauth")
    async def show(request: Request) -> Response:
        fields = {name: request.query_params.get(name, "") for name in PASSED_ON}
        if problem := _problem(config, fields):
            return HTMLResponse(render("problem.html", problem=problem), 400)
        with state.transaction() as tx:
            businesses = [{"id": one["id"], "name": one["name"]} for one in accounts.on_offer(tx)]
        return HTMLResponse(render("dialog.html", fields=fields, businesses=businesses))

    @app.post("/dialog/oauth")
    async def decide(request: Request) -> Response:
        fields = await form_fields(request)
        if problem := _problem(config, fields):
            return HTMLResponse(render("problem.html", problem=problem), 400)
        back = {"state": fields["state"]}
        if fields.get("decision") == "accept":
            with state.transaction() as tx:
                chosen = fields.get("business", "")
                back["code"] = accounts.accept(tx, fields["state"], fields["redirect_uri"], config.meta_tier, chosen)
        else:
            back |= {"error": "access_denied", "error_reason": "user_denied"}
        joint = "&" if "?" in fields["redirect_uri"] else "?"
        return RedirectResponse(fields["redirect_uri"] + joint + urlencode(back), 303)


def _problem(config: SandboxConfig, fields: dict[str, str]) -> str | None:
    if fields.get("client_id") != config.meta_app_id:
        return "There is no app with this id."
    if fields.get("response_type") != "code":
        return "Only response_type=code is offered."
    for name in ("redirect_uri", "state", "config_id"):
        if not fields.get(name):
            return f"{name} is missing from the address."
    return None
