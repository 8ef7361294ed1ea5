"""Setting and reading the fault plan. What belongs here: the routes and the shape of their bodies."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict

from provider_sandbox.faults.plan import Plan, Rule, problem_of
from provider_sandbox.faults.store import Faults

MOST_RULES = 1_000


class WantedRule(BaseModel):
    """A rule as it is sent; the fields of `plan.Rule`."""

    model_config = ConfigDict(extra="forbid")

    provider: str
    direction: str = "request"
    kind: str
    path: str = "*"
    probability: float = 1.0
    most: int | None = None
    seconds: float | None = None
    status: int | None = None
    when: str | None = None
    starts: float = 0.0
    ends: float | None = None


class WantedPlan(BaseModel):
    """A plan as it is sent."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 1
    rules: list[WantedRule]


def faults_router(faults: Faults) -> APIRouter:
    """`/control/faults`."""
    router = APIRouter()

    @router.put("/control/faults")
    async def begin(wanted: WantedPlan) -> dict[str, Any]:
        """Put a plan in force in place of the former one."""
        if len(wanted.rules) > MOST_RULES:
            raise HTTPException(422, f"A plan has at most {MOST_RULES} rules.")
        if not -(2**63) <= wanted.seed < 2**63:
            raise HTTPException(422, "The seed is a whole number of 64 bits.")
        rules = tuple(Rule(**rule.model_dump()) for rule in wanted.rules)
        for position, rule in enumerate(rules):
            if problem := problem_of(rule):
                raise HTTPException(422, f"Rule {position + 1}: {problem}")
        return faults.begin(Plan(wanted.seed, rules))

    @router.get("/control/faults")
    async def told() -> dict[str, Any]:
        """The plan, and how often each rule fitted and struck."""
        return faults.told()

    @router.delete("/control/faults")
    async def end() -> dict[str, Any]:
        """End the plan, and tell what it has done."""
        return faults.end()

    return router
