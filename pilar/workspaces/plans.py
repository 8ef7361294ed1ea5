"""The plans and what each grants. What belongs here: the grants as data; budgets are set from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import budgets
from pilar.backplane.budgets import Overage, Period


class Plan(StrEnum):
    """What a studio can subscribe to."""

    BASIC = "BASIC"
    PRO = "PRO"


@dataclass(frozen=True)
class Grant:
    """What a plan grants.

    Attributes:
        budgets: how much of a resource per period.
        members: how many people may work in the studio besides the owner.
        features: features that are on unless the studio's configuration turns them off.
    """

    budgets: Mapping[tuple[str, Period], int]
    members: int
    features: frozenset[str]


GRANTS: Mapping[Plan, Grant] = {
    Plan.BASIC: Grant(
        budgets={
            ("messages", "hour"): 200,
            ("messages", "day"): 1_000,
            ("tokens", "hour"): 50_000,
            ("tokens", "day"): 300_000,
            ("api_calls", "hour"): 1_000,
            ("api_calls", "day"): 10_000,
        },
        members=3,
        features=frozenset({"whatsapp", "coach", "followups", "calendar"}),
    ),
    Plan.PRO: Grant(
        budgets={
            ("messages", "hour"): 1_000,
            ("messages", "day"): 5_000,
            ("tokens", "hour"): 250_000,
            ("tokens", "day"): 1_500_000,
            ("api_calls", "hour"): 5_000,
            ("api_calls", "day"): 50_000,
        },
        members=20,
        features=frozenset({"whatsapp", "coach", "followups", "calendar", "experiments", "voice", "personal_texts"}),
    ),
}


def apply_grants(connection: Connection, workspace_id: UUID, plan: Plan, overage: Overage) -> None:
    """Set the studio's budgets to what its plan grants."""
    for (resource, period), amount in GRANTS[plan].budgets.items():
        budgets.set_limit(connection, workspace_id, resource, period, amount, overage)
