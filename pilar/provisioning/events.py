"""The events and jobs of provisioning. What belongs here: their payloads.

An attempt that begins is no event: what comes of it is one.
"""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pilar.backplane.facts import Payload


class ReconcileSubscription(Payload):
    """Ask Stripe how a subscription stands, and act on the answer."""

    type_name: ClassVar[str] = "stripe.reconcile_subscription"

    subscription_id: str


class ReconcilePayment(Payload):
    """Ask Stripe which subscription a charge has paid for, and how that stands."""

    type_name: ClassVar[str] = "stripe.reconcile_payment"

    charge_id: str


NoticeKind = Literal[
    "payment_failing",
    "suspended",
    "cancelled",
    "closed",
    "plan_changed",
    "number_restricted",
    "account_restricted",
    "number_reinstated",
    "quality_low",
    "name_declined",
    "number_replaced",
    "own_number_lost",
    "own_number_waits",
    "template_rejected",
    "template_disabled",
]


class OwnerNotice(Payload):
    """Tell a studio's owner something by mail, once per kind and occasion.

    Attributes:
        occasion: what it is about, by reference: an invoice, a moment, a version, a code, a template.
    """

    type_name: ClassVar[str] = "provisioning.owner_notice"

    kind: NoticeKind
    occasion: str


class ChangePlan(Payload):
    """Have Stripe sell a studio another plan."""

    type_name: ClassVar[str] = "provisioning.change_plan"

    plan: Literal["BASIC", "PRO"]


class CloseStudio(Payload):
    """Give back what a closed studio has at the providers."""

    type_name: ClassVar[str] = "provisioning.close_studio"


class LookAtChannels(Payload):
    """Look whether a studio's number is there and its webhooks come to us, and see to what is found."""

    type_name: ClassVar[str] = "provisioning.look_at_channels"
    from_outside: ClassVar[bool] = True


class ReadPrerequisites(Payload):
    """Ask WhatsApp what a studio still lacks, so that what pages show of it is fresh."""

    type_name: ClassVar[str] = "provisioning.read_prerequisites"
    from_outside: ClassVar[bool] = True


class ReplaceNumber(Payload):
    """Take the replacement of a lost number as far as it goes."""

    type_name: ClassVar[str] = "provisioning.replace_number"

    replacement_id: UUID


class NumberWaits(Payload):
    """The number of an open studio waits for something, for something else, or for nothing any more."""

    type_name: ClassVar[str] = "provisioning.number_waits"

    matter: str


class AdvanceProvisioning(Payload):
    """Take a provisioning job as far as it goes."""

    type_name: ClassVar[str] = "provisioning.advance"

    job_id: UUID


class ProvisioningBegun(Payload):
    """A paid subscription has got its job; the studio itself is still to be made."""

    type_name: ClassVar[str] = "provisioning.begun"

    job_id: UUID


class ProvisioningResumed(Payload):
    """Somebody has had a stuck job tried again."""

    type_name: ClassVar[str] = "provisioning.resumed"

    job_id: UUID


class StepWaits(Payload):
    """An attempt at a step has come to a wait, be it the same as before."""

    type_name: ClassVar[str] = "provisioning.step_waits"

    job_id: UUID
    step: str
    waits_on: str


class WaitExpired(Payload):
    """A step has waited in vain for as long as it may; the job rests until somebody has it tried again."""

    type_name: ClassVar[str] = "provisioning.wait_expired"

    job_id: UUID
    step: str
    waits_on: str


class TellOwner(Payload):
    """Remind a studio's owner of a step that waits for them, or tell them that it waits no more.

    Attributes:
        wait_round: of which wait; once another one has begun, or none is left, nothing is sent.
        number: the how manieth reminder; 0: the wait has expired.
    """

    type_name: ClassVar[str] = "provisioning.tell_owner"

    job_id: UUID
    step: str
    wait_round: int
    number: int


class UndoProvisioning(Payload):
    """Take back what a job has done, step by step, the last one first."""

    type_name: ClassVar[str] = "provisioning.undo"

    job_id: UUID


class UndoBegun(Payload):
    """A job is being taken back: it does not go on any more."""

    type_name: ClassVar[str] = "provisioning.undo_begun"

    job_id: UUID


class ProvisioningUndone(Payload):
    """What a job had done is taken back."""

    type_name: ClassVar[str] = "provisioning.undone"

    job_id: UUID


class StepFailed(Payload):
    """An attempt at a step has failed; `given_up` when it is not tried again before somebody has it tried."""

    type_name: ClassVar[str] = "provisioning.step_failed"

    job_id: UUID
    step: str
    given_up: bool


class StepCompleted(Payload):
    """A step of a provisioning job is done."""

    type_name: ClassVar[str] = "provisioning.step_completed"

    job_id: UUID
    step: str


class StudioActivated(Payload):
    """A studio is open for business."""

    type_name: ClassVar[str] = "workspace.activated"

    workspace_id: UUID


class SubscriptionRead(Payload):
    """Stripe was asked how a studio's subscription stands, and the answer is kept."""

    type_name: ClassVar[str] = "subscription.read"

    workspace_id: UUID


class ResumeAskedFor(Payload):
    """A studio's provisioning is to go on, if it stands at one of these steps; at any, where none is named."""

    steps: ClassVar[tuple[str, ...]] = ()


class WorkspaceSetup(ResumeAskedFor):
    """A studio is to be set up as far as it goes."""

    type_name: ClassVar[str] = "provisioning.workspace_setup"


class TwilioRetry(ResumeAskedFor):
    """Twilio is to be tried again."""

    type_name: ClassVar[str] = "provisioning.twilio_retry"
    steps: ClassVar[tuple[str, ...]] = ("twilio_subaccount", "twilio_api_key", "phone_number_purchase")


class WhatsAppRetry(ResumeAskedFor):
    """WhatsApp is to be tried again."""

    type_name: ClassVar[str] = "provisioning.whatsapp_retry"
    steps: ClassVar[tuple[str, ...]] = (
        "whatsapp_connection",
        "whatsapp_registration",
        "template_approval",
        "whatsapp_prerequisites",
        "test_message",
    )


class WebhookRecreate(Payload):
    """A studio's WhatsApp webhooks are to be sent to us again."""

    type_name: ClassVar[str] = "provisioning.webhook_recreate"


RESUMED_BY: tuple[type[ResumeAskedFor], ...] = (WorkspaceSetup, TwilioRetry, WhatsAppRetry)
