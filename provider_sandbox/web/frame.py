"""What all pages of the site have in common. What belongs here: headers, notices of what was done, the way back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse

from provider_sandbox.pages import environment, render
from provider_sandbox.web import words

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NOTICE = "notice"
"""The cookie that carries a notice over the redirect behind a form."""
NOTICE_LASTS = 30
LONGEST_NOTICE = 600
REFRESH = "x-refresh"
"""The header of a request by which the script only looks for news: such a request takes no notice away."""

PLACES = (
    ("/", "Overview"),
    ("/phones", "Phones"),
    ("/stripe-dashboard", "Stripe"),
    ("/meta-dashboard", "Meta"),
    ("/twilio-dashboard", "Twilio"),
    ("/models", "Models"),
    ("/mails", "Mail"),
    ("/deliveries", "Webhooks"),
    ("/faults", "Faults"),
)
"""The pages that every page leads to."""

environment().filters.update(words.FILTERS)


@dataclass(frozen=True)
class Notice:
    """What a form came to."""

    text: str
    is_problem: bool = False


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page of the site, with the notice that waits for it."""
    is_refresh = REFRESH in request.headers
    waiting = None if is_refresh else _waiting(request)
    path = request.url.path
    query = f"?{request.url.query}" if request.url.query else ""
    html = render(
        f"site/{template}.html",
        places=PLACES,
        here=next((place for place, _name in reversed(PLACES) if path.startswith(place)), "/"),
        address=path + query,
        notice=waiting,
        **values,
    )
    answer = HTMLResponse(html, status, HEADERS)
    if waiting:
        answer.delete_cookie(NOTICE)
    return answer


def back_to(address: str, notice: Notice | None = None) -> RedirectResponse:
    """Lead from a form back to a page of this site; anywhere else becomes the overview."""
    is_ours = address.startswith("/") and not address.startswith(("//", "/\\"))
    answer = RedirectResponse(address if is_ours else "/", 303)
    if notice:
        told = quote(json.dumps([notice.text[:LONGEST_NOTICE], notice.is_problem]))
        answer.set_cookie(NOTICE, told, max_age=NOTICE_LASTS, httponly=True, samesite="strict")
    return answer


def _waiting(request: Request) -> Notice | None:
    kept = request.cookies.get(NOTICE)
    if not kept:
        return None
    try:
        text, is_problem = json.loads(unquote(kept))
    except ValueError:
        # Anybody on this machine's loopback address may have set a cookie of this name.
        return None
    return Notice(str(text), bool(is_problem))
