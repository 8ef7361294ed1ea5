"""Faults as a page. What belongs here: the plan in force, drawing one, adding a rule; `faults/` has the rules."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from provider_sandbox.faults.draw import draw_plan
from provider_sandbox.faults.plan import PROVIDERS, REQUEST_KINDS, WEBHOOK_KINDS
from provider_sandbox.faults.store import Faults
from provider_sandbox.web.acting import Control, Refused, own_form
from provider_sandbox.web.frame import Notice, back_to, page

COUNTED = ("seen", "struck")
"""What a plan tells of each rule and does not take."""


def faults_pages(faults: Faults, control: Control) -> APIRouter:
    """`/faults`, and what its forms do."""
    router = APIRouter()

    @router.get("/faults")
    async def plan(request: Request) -> Response:
        """The plan with how often each rule struck."""
        kinds = {"request": REQUEST_KINDS, "webhook": WEBHOOK_KINDS}
        return page(request, "faults", plan=faults.told(), kinds=kinds, names=PROVIDERS)

    @router.post("/faults/drawn")
    async def draw(request: Request) -> Response:
        """A plan by lot takes the former one's place."""
        fields = await own_form(request)
        try:
            drawn = draw_plan(int(fields.get("seed", "1")), float(fields.get("intensity", "0.5")))
        except ValueError as problem:
            return back_to("/faults", Notice(f"No plan can be drawn from this: {problem}", is_problem=True))
        return await _begin(
            control, drawn.document(), f"{len(drawn.rules)} rules are in force; they end by themselves."
        )

    @router.post("/faults/rules")
    async def add(request: Request) -> Response:
        """One more rule joins those in force, whose counts begin anew."""
        fields: dict[str, Any] = await own_form(request)
        told = faults.told()
        rules = [{name: value for name, value in rule.items() if name not in COUNTED} for rule in told["rules"]]
        fields["direction"], _, fields["kind"] = fields.get("kind", "").partition(" ")
        plan = {"seed": told["seed"] or 1, "rules": [*rules, fields]}
        return await _begin(control, plan, "The rule is in force.")

    return router


async def _begin(control: Control, plan: dict[str, Any], told: str) -> Response:
    try:
        await control.call("PUT", "faults", plan)
    except Refused as problem:
        return back_to("/faults", Notice(str(problem), is_problem=True))
    return back_to("/faults", Notice(told))
