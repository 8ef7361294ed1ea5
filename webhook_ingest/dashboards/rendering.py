"""Pages from templates. What belongs here: the template environment and the words for times and states.

What does not: what a page is about (its own file) and who may see it (the table of routes).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_HERE = Path(__file__).parent
STATIC = _HERE / "static"

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_A_YEAR = "public, max-age=31536000, immutable"

NOTICES = {
    "retried": "Provisioning goes on.",
    "signed-out": "You are signed out.",
}
"""What a page may say after a redirect, by the name in its address; free text there could be anybody's."""

_STATES = {
    "pending": "Not begun",
    "running": "Provisioning",
    "provisioning": "Provisioning",
    "in_progress": "In progress",
    "waiting": "Waiting",
    "failed": "Failed",
    "completed": "Done",
    "active": "Active",
    "suspended": "Suspended",
    "closed": "Closed",
    "open": "Open",
    "investigating": "Being looked into",
}
_PARTIES = {"studio": "the studio", "us": "us", "meta": "Meta", "twilio": "Twilio", "stripe": "Stripe"}
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def render(request: Request, template: str, *, status_code: int = 200, **content: Any) -> HTMLResponse:
    """A page.

    Args:
        request: whose answer it is; its caller's name and form token are on the page.
        template: the file's name.
        status_code: of HTTP.
        content: what the template shows.
    """
    caller = getattr(request.state, "caller", None)
    session = caller.session if caller else None
    page = _environment().get_template(template).render(
        path=request.url.path,
        principal=caller.principal if caller else None,
        person=session.name if session else None,
        csrf_token=session.csrf_secret if session else "",
        notice=NOTICES.get(request.query_params.get("notice", "")),
        now=request.app.state.pilar.clocks.real.now(),
        **content,
    )  # fmt: skip
    return HTMLResponse(page, status_code, {"cache-control": "no-store"})


def static_file(name: str) -> Response:
    """One of our own files; with the version in its address it may be kept for good."""
    found = static_files().get(name)
    if found is None:
        return Response("There is nothing at this address.", 404, media_type="text/plain")
    content, kind, _ = found
    return Response(content, headers={"content-type": kind, "cache-control": _A_YEAR})


@cache
def static_files() -> Mapping[str, tuple[bytes, str, str]]:
    """Every static file by name: content, type and version."""
    files = {}
    for path in sorted(STATIC.iterdir()):
        content = path.read_bytes()
        files[path.name] = (content, _TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:12])
    return files


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.globals["static"] = lambda name: f"/static/{name}?v={static_files()[name][2]}"
    environment.filters.update(state=_state, party=_party, stamp=_stamp, ago=_ago, lasted=_lasted)
    return environment


def _state(name: str) -> str:
    return _STATES.get(name, name.replace("_", " ").capitalize())


def _party(name: str) -> str:
    return _PARTIES.get(name, name)


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def _ago(moment: datetime, now: datetime) -> str:
    seconds = (now - moment).total_seconds()
    return "just now" if seconds < 60 else f"{_lasted(seconds)} ago"


def _lasted(seconds: float) -> str:
    for unit, length in _UNITS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    if seconds < 1:
        return "less than a second"
    return f"{int(seconds)} second{'s' if seconds >= 2 else ''}"
