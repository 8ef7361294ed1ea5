"""What a plan lets a studio do. What belongs here: the features with their names, and the one rule about each.

What does not: which plan grants what (`plans.py`), and doing it: whoever does it asks here first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from pilar.errors import Conflict, NotFound
from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.plans import GRANTS, Plan
from pilar.workspaces.store import get_workspace, load_configuration

Feature = Literal["whatsapp", "coach", "followups", "calendar", "experiments", "voice", "personal_texts"]

FEATURES: Mapping[Feature, str] = {
    "whatsapp": "Messages over WhatsApp",
    "coach": "Coaching",
    "followups": "Follow-ups",
    "calendar": "Calendar",
    "experiments": "Experiments",
    "voice": "Voice messages",
    "personal_texts": "Coaching that a model writes for each lead",
}
"""Every feature that a plan may grant, as people call it."""


@dataclass(frozen=True)
class Stand:
    """How a feature stands in a studio.

    Attributes:
        granted: whether its plan has it.
        on: whether it can be used: the studio may have turned off what its plan grants.
        plans: the plans that have it.
    """

    name: str
    title: str
    granted: bool
    on: bool
    plans: tuple[Plan, ...]


def stands(document: StudioConfiguration) -> list[Stand]:
    """How each feature stands in a studio of this configuration."""
    return [
        Stand(
            name=name,
            title=title,
            granted=name in GRANTS[document.plan].features,
            on=document.feature(name),
            plans=tuple(plan for plan in Plan if name in GRANTS[plan].features),
        )
        for name, title in FEATURES.items()
    ]


def require(connection: Connection, workspace_id: UUID, feature: Feature) -> None:
    """Make sure that a studio may use a feature.

    Raises:
        Conflict: its plan does not have it, or it has turned it off; the message says which, and what to do.
        NotFound: this scope sees no such studio.
    """
    plan, is_on = _judge(connection, workspace_id, feature)
    if is_on:
        return
    title = FEATURES[feature]
    if feature in GRANTS[plan].features:
        raise Conflict(f"{title}: this studio has turned it off. Turn it on in its configuration first.")
    plans = " or ".join(one for one in Plan if feature in GRANTS[one].features)
    raise Conflict(f"{title}: not part of the plan {plan}. Move to {plans} on the page Subscription.")


def allows(connection: Connection, workspace_id: UUID, feature: Feature) -> bool:
    """Whether a studio may use a feature; raise `NotFound` where this scope sees no such studio."""
    return _judge(connection, workspace_id, feature)[1]


def _judge(connection: Connection, workspace_id: UUID, feature: Feature) -> tuple[Plan, bool]:
    """A studio's plan, and whether it may use a feature; one that is still being made has turned nothing off."""
    try:
        document = load_configuration(connection, workspace_id)[1]
    except NotFound:
        plan = Plan(get_workspace(connection, workspace_id).plan)
        return plan, feature in GRANTS[plan].features
    return document.plan, document.feature(feature)
