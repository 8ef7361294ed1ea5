"""Who answers what about studios: their payments, steps, channels, plans, people, and what is asked for by event.

What belongs here: the naming of each handler, which keeps its name for good. What does not: any rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pilar.affiliates.events import ReconcileCharge, ReconcileInvoice
from pilar.affiliates.reconcile import Reconciler
from pilar.affiliates.stripe_inbox import MoneyInbox
from pilar.agents.adoption import Adopter
from pilar.backplane.effects import EffectLedger
from pilar.backplane.handlers import Outside, Registry, Transactional
from pilar.backplane.locks import LockKeeper
from pilar.backplane.notices import IncidentOver, IncidentRequested
from pilar.bookings.events import BookingCancelled, BookingMade
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database
from pilar.experiments.events import ExperimentDecided
from pilar.experiments.outcomes import OutcomeKeeper
from pilar.gateways import Gateways
from pilar.health import events as health_events
from pilar.health.events import IncidentNoted
from pilar.health.incidents import IncidentKeeper
from pilar.messaging.events import (
    AccountTold,
    TemplateChanged,
)
from pilar.operator.projection import OverviewKeeper
from pilar.provisioning.account_keys import AccountKeys
from pilar.provisioning.channel_look import ChannelLooker
from pilar.provisioning.closing import Closer
from pilar.provisioning.drift import Drift
from pilar.provisioning.events import (
    AdvanceProvisioning,
    ChangePlan,
    CloseStudio,
    LookAtChannels,
    NumberWaits,
    OwnerNotice,
    ProvisioningBegun,
    ProvisioningResumed,
    ProvisioningUndone,
    ReadPrerequisites,
    ReconcilePayment,
    ReconcileSubscription,
    ReplaceNumber,
    StepCompleted,
    StepFailed,
    StepWaits,
    StudioActivated,
    SubscriptionRead,
    TellOwner,
    UndoBegun,
    UndoProvisioning,
    WaitExpired,
)
from pilar.provisioning.giving_back import GivingBack
from pilar.provisioning.inbound_sms import TwilioInbox
from pilar.provisioning.key_drift import KeyDrift
from pilar.provisioning.owner_notices import OwnerNotices
from pilar.provisioning.plan_change import PlanChanger
from pilar.provisioning.prerequisite_steps import PrerequisiteSteps
from pilar.provisioning.replacing import Replacer
from pilar.provisioning.runner import Runner
from pilar.provisioning.signup import Signup, StripeInbox
from pilar.provisioning.steps import Step
from pilar.provisioning.subscription import SubscriptionKeeper
from pilar.provisioning.twilio_steps import TwilioSteps
from pilar.provisioning.undoing import Undoer
from pilar.provisioning.wait_notices import WaitNotices
from pilar.provisioning.whatsapp_steps import WhatsAppSteps
from pilar.security.events import InviteMember
from pilar.security.invitations import Invitations
from pilar.settings import Settings

SHOWN_ON_OVERVIEW = (
    ProvisioningBegun,
    ProvisioningResumed,
    StepWaits,
    StepFailed,
    StepCompleted,
    WaitExpired,
    UndoBegun,
    ProvisioningUndone,
    StudioActivated,
    SubscriptionRead,
    NumberWaits,
)
"""After these events a studio looks different on the overview, and is refreshed."""


def build_registry(
    settings: Settings,
    database: Database,
    clocks: Clocks,
    box: SecretBox,
    gateways: Gateways,
    locks: LockKeeper,
    steps: Sequence[Step],
    waits: WaitNotices,
    keeper: SubscriptionKeeper,
) -> Registry:
    """Who answers what."""
    registry = Registry()
    registry.on_delivery("stripe", "provisioning.signup", Transactional(StripeInbox(clocks).on_delivery))
    registry.on_delivery("stripe", "affiliates.money", Transactional(MoneyInbox(clocks).on_delivery))
    registry.on_delivery("twilio", "provisioning.codes", Transactional(TwilioInbox(clocks, box).on_delivery))
    signup = Signup(database, clocks, gateways.stripe, box, steps, keeper)
    registry.on_job(ReconcileSubscription, Outside(signup.reconcile))
    registry.on_job(ReconcilePayment, Outside(signup.reconcile_payment))
    reconciler = Reconciler(database, clocks, gateways.stripe)
    registry.on_job(ReconcileInvoice, Outside(reconciler.reconcile_invoice))
    registry.on_job(ReconcileCharge, Outside(reconciler.reconcile_charge))
    lock_ttl = timedelta(seconds=settings.lease_seconds)
    runner = Runner(database, clocks, locks, steps, lock_ttl=lock_ttl, public_url=settings.public_url)
    registry.on_job(AdvanceProvisioning, Outside(runner.advance))
    registry.on_job(UndoProvisioning, Outside(Undoer(database, clocks, locks, steps, lock_ttl=lock_ttl).run))
    registry.on_job(TellOwner, Outside(waits.tell))
    incidents = IncidentKeeper(clocks)
    registry.on_event(IncidentRequested, "health.incidents", Transactional(incidents.on_request))
    registry.on_event(IncidentOver, "health.incidents", Transactional(incidents.on_over))
    booked = OutcomeKeeper(clocks).on(BookingMade.type_name, lambda event: str(event.lead_id))
    registry.on_event(BookingMade, "experiments.outcomes", Transactional(booked))
    registry.know_event(BookingCancelled)
    registry.on_event(ExperimentDecided, "agents.adopt", Transactional(Adopter(clocks).on_decided))
    overview = OverviewKeeper(clocks)
    for event in SHOWN_ON_OVERVIEW:
        registry.on_event(event, "operator.overview", Transactional(overview.on_studio))
    registry.on_event(IncidentNoted, "operator.overview", Transactional(overview.on_incident))
    return registry


def register_subscriptions(registry: Registry, closer: Closer, notices: OwnerNotices, plans: PlanChanger) -> None:
    """Who closes studios, moves them to other plans and tells their owners."""
    registry.on_job(ChangePlan, Outside(plans.change))
    registry.on_job(CloseStudio, Outside(closer.close))
    registry.on_job(OwnerNotice, Outside(notices.send))
    registry.on_event(TemplateChanged, "provisioning.notices", Transactional(notices.on_template))
    registry.on_event(IncidentRequested, "provisioning.notices", Transactional(notices.on_incident))


def register_access(registry: Registry, invitations: Invitations) -> None:
    """Who invites people."""
    registry.on_job(InviteMember, Outside(invitations.send))


def register_healing(
    registry: Registry,
    settings: Settings,
    database: Database,
    clocks: Clocks,
    box: SecretBox,
    gateways: Gateways,
    ledger: EffectLedger,
) -> Drift:
    """Who looks at channels, mends and replaces; returns who mends webhooks."""
    drift = Drift(database, clocks, gateways.twilio, gateways.graph, ledger, box, settings)
    keys = KeyDrift(database, clocks, AccountKeys(database, clocks, gateways.twilio, ledger, box))
    replacer = Replacer(
        database,
        clocks,
        gateways.graph,
        box,
        TwilioSteps(database, clocks, gateways.twilio, ledger, box, settings),
        WhatsAppSteps(database, clocks, gateways.graph, gateways.mailer, ledger, box, settings),
        GivingBack(gateways.stripe, gateways.twilio, ledger),
    )
    looker = ChannelLooker(database, clocks, gateways.twilio, box, drift, keys, replacer)
    registry.on_job(LookAtChannels, Outside(looker.on_job))
    prerequisites = PrerequisiteSteps(database, clocks, gateways.graph, box)
    registry.on_job(ReadPrerequisites, Outside(prerequisites.on_job))
    registry.on_event(AccountTold, "provisioning.prerequisites", Transactional(prerequisites.on_told))
    registry.on_job(ReplaceNumber, Outside(replacer.on_job))
    for hint in (health_events.WebhookCheck, health_events.IntegrationCheck):
        registry.on_event(hint, "provisioning.look", Transactional(looker.on_hint))
    registry.on_event(IncidentRequested, "provisioning.look", Transactional(looker.on_refusal))
    return drift
