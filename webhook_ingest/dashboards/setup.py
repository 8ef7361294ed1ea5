"""The set-up link's pages: the one thing that a studio's owner has to do.

What belongs here: the pages, their forms, and Meta's way back. What does not: what the owner's consent is used for, and
what may be said when.

Who has the link is the studio's owner: its token is the secret, so a form needs no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import Form, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.app import App
from pilar.database.engine import Scope
from pilar.errors import NotFound, PilarError
from pilar.provisioning import mending, own_channel, template_manager
from pilar.provisioning.own_channel import Brings, Method
from webhook_ingest.dashboards import forms
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import System

ACTOR = "setup link"
_Code = Annotated[str, Query(max_length=4_000)]
_Word = Annotated[str, Query(max_length=1_000)]


def setup_page(request: Request, app: System, token: str) -> Response:
    """What is left to do."""
    with app.database.transaction(Scope.fleet()) as connection:
        view = app.setup.open(connection, token)
    return render(request, "setup.html", view=view, declined=False, token=token, problem=None)


def bring_own(
    request: Request,
    app: System,
    token: str,
    brings: Annotated[Brings | Literal["nothing"], Form()],
    phone_number: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """The owner says that the studio brings a number or an account, or nothing after all."""

    def say(connection: Connection) -> None:
        studio = app.setup.studio_of(connection, token)
        if brings == "nothing":
            own_channel.bring_nothing(connection, app.clocks, studio, ACTOR)
        else:
            own_channel.bring(connection, app.clocks, studio, brings, phone_number, ACTOR)

    return _done(request, app, token, say)


def ask_for_code(request: Request, app: System, token: str, method: Annotated[Method, Form()]) -> Response:
    """The owner has the telephone at hand."""

    def ask(connection: Connection) -> None:
        own_channel.ask_for_code(connection, app.clocks, app.setup.studio_of(connection, token), method, ACTOR)

    return _done(request, app, token, ask)


def type_code(request: Request, app: System, token: str, code: Annotated[str, Form(max_length=40)] = "") -> Response:
    """The owner has read the code."""

    def typed(connection: Connection) -> None:
        studio = app.setup.studio_of(connection, token)
        own_channel.type_code(connection, app.clocks, app.box, studio, code, ACTOR)

    return _done(request, app, token, typed)


def look_again(request: Request, app: System, token: str) -> Response:
    """The owner has seen to what was asked."""

    def look(connection: Connection) -> None:
        app.setup.look_again(connection, app.setup.studio_of(connection, token))

    return _done(request, app, token, look)


def mend_template(
    request: Request,
    app: System,
    token: str,
    name: Annotated[str, Form(max_length=60)],
    language: Annotated[str, Form(max_length=10)],
    body: Annotated[str, Form(max_length=2_000)],
) -> Response:
    """The owner writes another text in place of a rejected one."""

    def write(connection: Connection) -> None:
        studio = app.setup.studio_of(connection, token)
        mending.mend(connection, app.defaults, studio, name, language, body, ACTOR)

    return _done(request, app, token, write)


def submit_template_again(
    request: Request, app: System, token: str, name: Annotated[str, Form(max_length=200)]
) -> Response:
    """The owner has the text of a template that is gone reviewed once more."""

    def submit(connection: Connection) -> None:
        studio = app.setup.studio_of(connection, token)
        template_manager.submit_again(connection, app.defaults, studio, name=name, actor=ACTOR)

    return _done(request, app, token, submit)


def _done(request: Request, app: App, token: str, act: Callable[[Connection], None]) -> Response:
    """Do what a form asks, and go back to the page; what is wrong with it is said there."""

    def acted(connection: Connection) -> str:
        act(connection)
        return f"/setup/{token}"

    def refused(error: PilarError) -> Response:
        if isinstance(error, NotFound):
            raise error
        with app.database.transaction(Scope.fleet()) as connection:
            view = app.setup.open(connection, token)
        return render(
            request, "setup.html", status_code=422, view=view, declined=False, token=token, problem=error.message
        )

    return forms.done(app, acted, refused, kinds=(PilarError,))


def setup_callback(request: Request, app: System, state: _Word = "", code: _Code = "", error: _Word = "") -> Response:
    """Where Meta sends the owner back to, with a code or with a refusal."""
    with app.database.transaction(Scope.fleet()) as connection:
        view = app.setup.open(connection, state) if error else app.setup.complete(connection, state, code)
    return render(request, "setup.html", view=view, declined=bool(error), token=state, problem=None)
