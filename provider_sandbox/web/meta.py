"""Meta as pages. What belongs here: businesses, their numbers and templates as they stand; decisions go by `/act`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from provider_sandbox.meta import accounts, answers, businesses, templates
from provider_sandbox.meta.limits import MetaLimits
from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.web.frame import page
from provider_sandbox.web.newest import newest

NEWEST = 200
"""So many businesses are listed."""


def meta_pages(state: State, limits: MetaLimits) -> APIRouter:
    """`/meta-dashboard`, and each business."""
    router = APIRouter()

    @router.get("/meta-dashboard")
    async def listed(request: Request) -> Response:
        """The newest businesses, and the errors that are played."""
        with state.transaction() as tx:
            found, total = newest(tx, accounts.WABA, NEWEST)
            cards = [_card(tx, waba) for waba in found]
            played = answers.listed(tx)
        return page(request, "meta", cards=cards, total=total, played=played)

    @router.get("/meta-dashboard/{identity}")
    async def one(request: Request, identity: str) -> Response:
        """A business with its numbers and templates."""
        with state.transaction() as tx:
            waba = tx.get(accounts.WABA, identity)
            if waba is None:
                raise HTTPException(404, "There is no such business.")
            card = _card(tx, waba)
            found = tx.find(templates.KIND, owner=identity)
        texts = {template["id"]: templates.text_of(template) for template in found}
        return page(request, "waba", card=card, templates=found, texts=texts, tiers=limits.names())

    return router


def _card(tx: Transaction, waba: Body) -> dict[str, Any]:
    return {
        "waba": waba,
        "tier": accounts.tier_of(waba),
        "is_banned": businesses.banned(waba),
        "phones": tx.find(accounts.PHONE, owner=waba["id"]),
        "templates": tx.count(templates.KIND, owner=waba["id"]),
        "restrictions": [
            kind
            for kind in (businesses.BUSINESS_INITIATED, businesses.CUSTOMER_INITIATED, businesses.ADDING_NUMBERS)
            if businesses.restricted(tx, waba, kind)
        ],
    }
