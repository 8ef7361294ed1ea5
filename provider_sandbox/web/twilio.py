"""Twilio as a page. What belongs here: accounts, numbers and SMS as they stand; decisions go by `/act`."""

from __future__ import annotations

from typing import Any, get_args

from fastapi import APIRouter, Request
from fastapi.responses import Response

from provider_sandbox.state import State
from provider_sandbox.twilio import accounts, answers, lines, numbers
from provider_sandbox.twilio.reports import MESSAGE
from provider_sandbox.web.frame import page
from provider_sandbox.web.newest import newest

NEWEST = 100
"""So many of each kind are listed."""


def twilio_pages(state: State) -> APIRouter:
    """`/twilio-dashboard`."""
    router = APIRouter()

    @router.get("/twilio-dashboard")
    async def dashboard(request: Request) -> Response:
        """Accounts, numbers and SMS, the newest first, and the errors that are played."""
        with state.transaction() as tx:
            values: dict[str, Any] = {"played": answers.listed(tx), "lines": get_args(lines.Line)}
            for name, kind in (("accounts", accounts.KIND), ("numbers", numbers.KIND), ("sms", MESSAGE)):
                values[name], values[f"{name}_total"] = newest(tx, kind, NEWEST)
            owners = [tx.get(accounts.KIND, number["account_sid"]) for number in values["numbers"]]
            values["names"] = {owner["sid"]: owner["friendly_name"] for owner in owners if owner}
        return page(request, "twilio", **values)

    return router
