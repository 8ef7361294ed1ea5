"""The events of health. What belongs here: their payloads; references, never personal data."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pilar.backplane.facts import Payload


class IncidentNoted(Payload):
    """An incident was opened, or has happened once more.

    What follows from an incident follows from this and not from the request for it: handlers of one event run in no
    order, so that another handler of the request could look before the incident is there.
    """

    type_name: ClassVar[str] = "incident.noted"

    incident_id: UUID


class CheckAskedFor(Payload):
    """Some parts of a studio are to be looked at now; of all studios where the event names none."""

    from_outside: ClassVar[bool] = True
    components: ClassVar[tuple[str, ...]]
    """As `checks.py` has them."""


class WebhookCheck(CheckAskedFor):
    """Are a studio's webhooks coming in?"""

    type_name: ClassVar[str] = "health.webhook_check"
    components: ClassVar[tuple[str, ...]] = ("webhooks",)


class QueueCheck(CheckAskedFor):
    """Is a studio's work done in time?"""

    type_name: ClassVar[str] = "health.queue_check"
    components: ClassVar[tuple[str, ...]] = ("queue_processing",)


class RateLimitCheck(CheckAskedFor):
    """Is there room in a studio's budgets?"""

    type_name: ClassVar[str] = "health.rate_limit_check"
    components: ClassVar[tuple[str, ...]] = ("rate_limits",)


class IntegrationCheck(CheckAskedFor):
    """Are a studio's accounts at its providers connected?"""

    type_name: ClassVar[str] = "health.integration_check"
    components: ClassVar[tuple[str, ...]] = ("twilio_integration", "whatsapp_integration")


class AiProviderCheck(CheckAskedFor):
    """Does a studio's agent find answers, and does its model give any?"""

    type_name: ClassVar[str] = "health.ai_provider_check"
    components: ClassVar[tuple[str, ...]] = ("ai_provider",)


ASKED_FOR: tuple[type[CheckAskedFor], ...] = (
    WebhookCheck,
    QueueCheck,
    RateLimitCheck,
    IntegrationCheck,
    AiProviderCheck,
)
