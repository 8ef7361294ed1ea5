"""What stands between a request and its endpoint: load, size, credentials, limits, rights, forgery, repetition.

What belongs here: the order of the checks, the same for every route. What does not: which route requires what
(`routes.py`) and the rule itself (`reach.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive

from pilar.app import App
from pilar.backplane import idempotency, limits
from pilar.backplane.idempotency import Answer
from pilar.backplane.limits import Limit
from pilar.database.engine import Scope
from pilar.errors import Forbidden, Invalid, Unauthenticated
from pilar.security import api_tokens, sessions
from pilar.security.principals import ANONYMOUS, Kind
from webhook_ingest.deps import Caller
from webhook_ingest.problems import wants_page
from webhook_ingest.reach import fitting
from webhook_ingest.route import Forgery, Route
from webhook_ingest.turnstile import Turnstile

PER_PRINCIPAL = Limit("requests_per_principal", 600, timedelta(minutes=1))
PER_ADDRESS = Limit("requests_per_address", 120, timedelta(minutes=1))
LONGEST_KEY = 255
_REPLAYED = ("content-type", "location")
"""Headers that belong to what was answered, and not to one answer."""
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf_token"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def guarded(entry: Route) -> type[APIRoute]:
    """The kind of FastAPI route that lets requests through as the table's entry says."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Handler:
            endpoint = super().get_route_handler()

            async def handle(request: Request) -> Response:
                turnstile: Turnstile = request.app.state.turnstile
                if not entry.is_unmetered:
                    turnstile.look()
                # Before they are inside: whoever sends slowly must not keep others out.
                body = await read_body(request, entry.body_limit)
                request = Request(request.scope, replaying(body, request.receive))
                if entry.is_unmetered:
                    return await let_in(request, body) or await serve(request, body)
                async with turnstile.enter():
                    refusal = await let_in(request, body)
                    if refusal or entry.answers != "proxy":
                        return refusal or await serve(request, body)
                # Somebody else's answer is waited for outside: it takes no thread and no connection of ours.
                return await serve(request, body)

            async def let_in(request: Request, body: bytes) -> Response | None:
                app: App = request.app.state.pilar
                try:
                    request.state.caller = await run_in_threadpool(admit, app, entry, request)
                except Unauthenticated:
                    if entry.method == "GET" and wants_page(request):
                        return RedirectResponse(f"/sign-in?next={quote(_local(request))}", 303)
                    raise
                check_forgery(entry, request, body, app.settings.public_url)
                return None

            async def serve(request: Request, body: bytes) -> Response:
                if entry.is_repeatable and "idempotency-key" in request.headers:
                    return await _once(request.app.state.pilar, request, body, endpoint)
                return await endpoint(request)

            return handle

    return Guarded


def admit(app: App, entry: Route, connection: HTTPConnection) -> Caller:
    """Who is calling, if they may.

    Raises:
        Unauthenticated: nobody, and the route is not for everybody.
        Forbidden: somebody, who may not.
        TooManyRequests: they called too often.
    """
    ip = connection.client.host if connection.client else "unknown"
    if entry.is_unmetered:
        return Caller(ANONYMOUS, ip)
    now = app.clocks.real.now()
    refused: Unauthenticated | None = None
    with app.database.transaction(Scope.fleet()) as database:
        try:
            caller = _identify(app, database, connection, ip)
        except Unauthenticated as error:
            # Kept until the count is committed: guessing tokens is limited like everything else.
            refused, caller = error, Caller(ANONYMOUS, ip)
        if caller.principal is ANONYMOUS:
            limits.take(database, PER_ADDRESS, ip, now)
        else:
            limits.take(database, PER_PRINCIPAL, caller.principal.actor, now)
    if entry.requires.is_public:
        return caller
    if refused is not None:
        raise refused
    studios = fitting(entry, caller.principal, connection.path_params)
    if not studios:
        raise Unauthenticated if caller.principal.kind is Kind.ANONYMOUS else Forbidden
    return replace(caller, studios=frozenset(filter(None, studios)))


def check_forgery(entry: Route, request: HTTPConnection, body: bytes, public_url: str) -> None:
    """Refuse what another site had a signed-in browser send.

    Raises:
        Forbidden: it does not come from a page of ours.
    """
    if entry.method not in {"POST", "PUT", "PATCH", "DELETE"}:
        return
    caller: Caller = request.state.caller
    if caller.principal.token_id is not None or entry.forgery is Forgery.LINK:
        return  # programs come with a token, which no browser adds by itself; so does who follows a link
    check_origin(request, public_url, must_tell=entry.forgery is Forgery.ORIGIN and caller.session is not None)
    if entry.forgery is Forgery.TOKEN and caller.session is not None:
        given = request.headers.get(CSRF_HEADER) or _field(request, body, CSRF_FIELD)
        if not caller.session.accepts(given):
            raise Forbidden("This form has expired or comes from another site: reload the page and try again.")


def check_origin(request: HTTPConnection, public_url: str, *, must_tell: bool) -> None:
    """Refuse requests that another site's page has caused; with `must_tell` those that don't say as well.

    Raises:
        Forbidden: it does not come from a page of ours.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    host = request.headers.get("host", "")
    foreign_site = site is not None and site not in {"same-origin", "none"}
    foreign_origin = origin is not None and urlsplit(origin).netloc not in {host, urlsplit(public_url).netloc}
    if foreign_site or foreign_origin or (must_tell and site is None and origin is None):
        raise Forbidden("This request comes from another site.")


def session_cookie(public_url: str) -> str:
    """The name of the session's cookie; the prefix has browsers insist on https and on this very host."""
    return "__Host-pilar" if public_url.startswith("https://") else "pilar_session"


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body.

    Args:
        request: whose.
        limit: the most it may have, in bytes.

    Raises:
        HTTPException: 413, it has more; 400, its length is no number.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal():
        raise HTTPException(400)
    if int(declared) > limit:
        raise HTTPException(413)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise HTTPException(413)
    return bytes(body)


def replaying(body: bytes, receive: Receive) -> Receive:
    """A channel that gives a body that was read already, then what comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return pending.pop() if pending else await receive()

    return give


def _identify(app: App, database: Any, connection: HTTPConnection, ip: str) -> Caller:
    now = app.clocks.real.now()
    scheme, _, plain = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Caller(api_tokens.resolve(database, plain.strip(), now), ip)
    cookie = connection.cookies.get(session_cookie(app.settings.public_url))
    if cookie:
        session = sessions.resolve(database, cookie, now)
        return Caller(session.principal, ip, session)
    return Caller(ANONYMOUS, ip)


def _field(request: HTTPConnection, body: bytes, name: str) -> str:
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return ""
    return parse_qs(body.decode(errors="replace")).get(name, [""])[0]


def _local(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


async def _once(app: App, request: Request, body: bytes, endpoint: Handler) -> Response:
    """Answer a request with an `Idempotency-Key` once, and give its repetitions the same answer."""
    key = request.headers["idempotency-key"]
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise Invalid(f"An Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters.")
    caller: Caller = request.state.caller
    name = caller.principal.actor
    what = f"{request.method} {_local(request)}\n".encode() + body

    def begin() -> Answer | None:
        with app.database.transaction(Scope.fleet()) as database:
            return idempotency.begin(database, name, key, what, app.clocks.real.now())

    def finish(answer: Answer) -> None:
        with app.database.transaction(Scope.fleet()) as database:
            idempotency.finish(database, name, key, answer)

    def abandon() -> None:
        with app.database.transaction(Scope.fleet()) as database:
            idempotency.abandon(database, name, key)

    known = await run_in_threadpool(begin)
    if known is not None:
        return Response(known.body, known.status, {**known.headers, "idempotency-replayed": "true"})
    try:
        response = await endpoint(request)
    except Exception:
        # Its transaction was rolled back: nothing was done, and it may be sent again under the same key.
        await run_in_threadpool(abandon)
        raise
    headers = {name: response.headers[name] for name in _REPLAYED if name in response.headers}
    await run_in_threadpool(finish, Answer(response.status_code, headers, bytes(response.body)))
    return response
