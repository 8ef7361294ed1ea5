"""The events and jobs of provisioning. What belongs here: their payloads."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pilar.backplane.facts import Payload


class ReconcileSubscription(Payload):
    """Ask Stripe how a subscription stands, and act on the answer."""

    type_name: ClassVar[str] = "stripe.reconcile_subscription"

    subscription_id: str


class AdvanceProvisioning(Payload):
    """Take a provisioning job as far as it goes."""

    type_name: ClassVar[str] = "provisioning.advance"

    job_id: UUID


class StepCompleted(Payload):
    """A step of a provisioning job is done."""

    type_name: ClassVar[str] = "provisioning.step_completed"

    job_id: UUID
    step: str


class StudioActivated(Payload):
    """A studio is open for business."""

    type_name: ClassVar[str] = "workspace.activated"

    workspace_id: UUID
