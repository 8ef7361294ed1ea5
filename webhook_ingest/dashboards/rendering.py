"""Pages from templates. What belongs here: the template environment and the words for times and states.

What does not: what a page is about (its own file) and who may see it (the table of routes).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pilar.security.principals import ANONYMOUS
from webhook_ingest.dashboards.banner import what_is_in_force

_HERE = Path(__file__).parent
STATIC = _HERE / "static"

ERROR = "error.html"
"""The template of the page about an error."""

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_A_YEAR = "public, max-age=31536000, immutable"

NOTICES = {
    "answered": "Your answer is on its way.",
    "dry-run-off": "The dry run has ended.",
    "dry-run-on": "The dry run has begun.",
    "booking-cancelled": "The booking is called off.",
    "feed-revoked": "That address shows nothing any more.",
    "experiment-started": "The experiment runs: leads are dealt to its variants from now on.",
    "experiment-stopped": "The experiment has ended.",
    "assigned": "Who sees to it is kept.",
    "noted": "The note is kept.",
    "handed-back": "The bot answers from now on.",
    "paused": "Sending is paused.",
    "resumed": "Sending goes on.",
    "retried": "Provisioning goes on.",
    "signed-out": "You are signed out.",
    "taken-over": "You answer from now on.",
    "told-refusal": "They get no more messages.",
    "told-no-refusal": "They are written to as before.",
    "tested": "A test message is on its way to the owner.",
    "affiliate-added": "The affiliate is there. Make a link for them to spread.",
    "file-taken": "The file is taken. Its rows are read one after the other.",
    "file-taken-before": "That very file was brought before: it is not read again.",
    "link-added": "The link is there.",
    "rule-on": "The rule is on: it answers from now on.",
    "rule-off": "The rule is off: it answers nothing any more.",
    "work-paused": "No more of that work begins. What is under way is finished.",
    "work-resumed": "Work goes on.",
    "work-not-paused": "That was not paused any more.",
    "requeued": "Back to work.",
    "requeued-part": "A part of them is back at work. There are more: press again.",
    "discarded": "Let go of. What they were about stays.",
    "discarded-part": "A part of them is let go of. There are more: press again.",
    "replayed": "It is worked on again. What it caused before is not caused twice.",
    "replayed-part": "A part of them is worked on again. Here are the rest: press again.",
    "replay-waiting": "It is being worked on, or waits for it: there is nothing to replay.",
    "replay-waiting-part": "Those wait to be worked on anyway. Here are the rest: press again.",
    "replay-too-old": "Too old: what it caused is not known any more, and might be done twice.",
    "replay-too-old-part": "Those are too old to be worked on again. Here are the rest: press again.",
    "none-left": "There was none left: somebody was faster.",
    "settled-happened": "Noted: it happened, and is not done again.",
    "settled-did_not_happen": "Noted: it did not happen. It is free to be tried again.",
    "grace-extended": "Saved: there is more time to pay.",
    "channels-chosen": "Saved. It holds for what is queued already.",
    "lead-saved": "Saved.",
    "lead-noted": "The note is kept.",
    "lead-consent": "Kept. It holds for everything that is queued already.",
    "lead-merged": "They are one lead now.",
    "lead-erasure": "The erasure is under way.",
    "own-template-written": "Written. WhatsApp reviews it as soon as the studio is connected.",
    "templates-asked-for": "Drafts are being submitted, and all templates read from WhatsApp.",
    "schedule-changed": "The schedule is in force. What is still to come has been planned anew.",
    "defaults-changed": "It is in force.",
    "defaults-rolled-back": "The earlier version is in force again, as a new one.",
    "template-written": "Another version is written. Studios that are there get it when they are brought up to date.",
    "member-added": "They are let in, and a mail is on its way to them.",
    "member-known": "They work here already.",
    "member-removed": "They work here no more.",
    "plan-asked-for": "The other plan is asked for. Stripe answers within a minute.",
    "goal-set": "The goal is set.",
    "goal-changed": "Saved.",
    "goal-dropped": "The goal is given up.",
    "milestone-done": "Well done: the milestone is reached.",
    "training-told": "Recorded.",
    "coaching-changed": "Saved. What is still to come has been planned anew.",
}
"""What a page may say after a redirect, by the name in its address; free text there could be anybody's."""

_STATES = {
    "pending": "Not begun",
    "running": "Provisioning",
    "provisioning": "Provisioning",
    "in_progress": "In progress",
    "waiting": "Waiting",
    "failed": "Failed",
    "expired": "Waited in vain",
    "undoing": "Being taken back",
    "undone": "Taken back",
    "completed": "Done",
    "booked": "Booked",
    "active": "Active",
    "suspended": "Suspended",
    "closed": "Closed",
    "open": "Open",
    "investigating": "Being looked into",
    "held": "Kept back",
    "refused": "Not sent",
    "cancelled": "Withdrawn",
    "attempted": "Being sent",
    "unknown": "Not certain",
    "accepted": "Taken by WhatsApp",
}
_PARTIES = {"studio": "the studio", "us": "us", "meta": "Meta", "twilio": "Twilio", "stripe": "Stripe"}
_ACTORS = {
    "admin": "the founder",
    "owner": "the owner",
    "member": "a member of the staff",
    "token": "a program",
    "system": "PILAR",
}
_CHANNELS = {"whatsapp": "WhatsApp", "sms": "SMS", "email": "E-mail"}
_POSTINGS = {
    "earned": "Commission earned",
    "matured": "Holding period over",
    "clawed_back": "Taken back after a refund or dispute",
    "restored": "Given back: a refund or dispute came to nothing",
    "paid": "Paid out",
}
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
    principal = caller.principal if caller else ANONYMOUS
    page = _environment().get_template(template).render(
        path=request.url.path,
        principal=caller.principal if caller else None,
        may=partial(request.app.state.reach.may, principal),
        person=session.name if session else None,
        csrf_token=session.csrf_secret if session else "",
        # A page about an error asks the database for nothing: it may be what is away.
        in_force=None if template == ERROR else what_is_in_force(request),
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
    environment.filters.update(
        state=_state, party=_party, actor=_actor, posting=_posting, channel=_channel, stamp=_stamp, day=_day,
        weekday=_weekday, clock=_clock, local=_local, ago=_ago, lasted=_lasted, duration=_duration, percent=_percent,
        points=_points, p_value=_p_value, took=_took, per_minute=_per_minute, dated=_dated,
    )  # fmt: skip
    return environment


def _state(name: str) -> str:
    return _STATES.get(name, name.replace("_", " ").capitalize())


def _party(name: str) -> str:
    return _PARTIES.get(name, name)


def _actor(name: str) -> str:
    """Somebody in the audit log's words, as a page says it."""
    return _ACTORS.get(name.partition(":")[0], name)


def _channel(name: str) -> str:
    return _CHANNELS.get(name, name)


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%H:%M}"


def _weekday(day: date) -> str:
    return f"{day:%a %-d %b}"


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _points(difference: float) -> str:
    """A difference of two shares."""
    return f"{100 * difference:+.1f} points".replace("-", "−")


def _p_value(p: float) -> str:
    return "less than 0.001" if p < 0.001 else f"{p:.3f}"


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds < 1_000 else f"{milliseconds / 1_000:,.1f} s"


def _took(seconds: float) -> str:
    """A span of time that may be of any length."""
    if seconds < 0.0005:
        return "under 1 ms"
    if seconds < 1:
        return f"{seconds * 1_000:,.0f} ms"
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.0f} h"


def _per_minute(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 or rate == int(rate) else f"{rate:.1f}" if rate >= 0.1 else "under 0.1"


def _posting(kind: str) -> str:
    return _POSTINGS.get(kind, kind.replace("_", " ").capitalize())


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %b %Y}"


def _local(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%a %-d %b, %H:%M}"


def _dated(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%a %-d %b %Y, %H:%M}"


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
