"""Who answers what: handlers by event, job and delivery, the steps of a studio, reconcilers by kind of effect.

What belongs here: the naming of each, explicitly. What does not: any rule, and building what is named (`app.py`).
Names are stored: a handler and a step keep theirs for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection

from pilar.affiliates.events import ReconcileCharge, ReconcileInvoice
from pilar.affiliates.reconcile import Reconciler
from pilar.affiliates.stripe_inbox import MoneyInbox
from pilar.agents.adoption import Adopter
from pilar.agents.answering import Answerer
from pilar.agents.defaults import STUDIO, default_agent, install_rules
from pilar.agents.events import (
    AnswerTurn,
    AutoReplyRequest,
    CoachingAskedFor,
    EscalationNeeded,
    ReadRefusal,
    SupportIncident,
)
from pilar.agents.model_answers import ModelAnswerer
from pilar.agents.refusal_reader import RefusalReader
from pilar.agents.slot_offers import hear_choice
from pilar.agents.support import Support
from pilar.backplane import audit
from pilar.backplane.effects import EffectLedger, EffectSettled
from pilar.backplane.facts import Cause
from pilar.backplane.handlers import Outside, Registry, Transactional
from pilar.backplane.locks import LockKeeper
from pilar.backplane.notices import IncidentOver, IncidentRequested
from pilar.backplane.reconciling import Reconcilers
from pilar.bookings import defaults as calendar_defaults
from pilar.bookings.events import BookingCancelled, BookingMade
from pilar.bookings.feeds import revoke_all
from pilar.clocks import Clocks
from pilar.coach import events as coach_events
from pilar.coach.asked import Coach
from pilar.coach.checkin import hear_checkin
from pilar.coach.defaults import training_logic
from pilar.coach.dispatch import Dispatcher
from pilar.coach.enrolment import Enrolments
from pilar.coach.events import ImportTrainings, PersonaliseNudge, SendNudge, TrainingRecorded, WakeNudges
from pilar.coach.last_question import hear_last_question
from pilar.coach.personalising import Personaliser
from pilar.coach.training_import import TrainingImporter
from pilar.coach.training_logic import check as check_training
from pilar.coach.training_logic import plan_anew
from pilar.coach.trainings import Trainings
from pilar.coach.waking import Waker
from pilar.crypto import SecretBox
from pilar.database.engine import Database
from pilar.experiments.events import ExperimentDecided
from pilar.experiments.outcomes import OutcomeKeeper
from pilar.followups.events import SendFollowup
from pilar.followups.sending import FollowupSender
from pilar.gateways import Gateways
from pilar.health import events as health_events
from pilar.health.asked import Checker
from pilar.health.checks import run_checks
from pilar.health.events import AiProviderCheck, IncidentNoted
from pilar.health.incidents import IncidentKeeper
from pilar.health.model_check import ModelChecker
from pilar.messaging import defaults as messaging_defaults
from pilar.messaging.controls import Release
from pilar.messaging.doubts import MessagingDoubts
from pilar.messaging.erasing import Eraser
from pilar.messaging.events import (
    AccountTold,
    EraseLead,
    FetchMedia,
    HandBack,
    HandedOver,
    ImportLeads,
    MessageReceived,
    NumberChanged,
    OptedOut,
    ReadNumber,
    RefusalUnanswered,
    RefusalUnclear,
    RegisterAgain,
    ReleaseHeld,
    SendMessage,
    SessionWindowClosed,
    SessionWindowClosing,
    SubmitTemplates,
    TemplateChanged,
)
from pilar.messaging.handing_back import HandingBack
from pilar.messaging.inbox import WhatsAppInbox
from pilar.messaging.lead_import import LeadImporter
from pilar.messaging.media import MediaKeeper
from pilar.messaging.number_news import NumberKeeper
from pilar.messaging.refusals import Unanswered
from pilar.messaging.registering import Registrar
from pilar.messaging.rooms import People
from pilar.messaging.sending import Sender
from pilar.messaging.sending_together import TogetherSender
from pilar.messaging.sms import SmsInbox
from pilar.messaging.templates import TemplateKeeper
from pilar.messaging.waiting_templates import TemplateWaits
from pilar.operator.projection import OverviewKeeper
from pilar.providers.email.errors import MAIL
from pilar.providers.twilio.errors import TWILIO
from pilar.providers.whatsapp.errors import META
from pilar.provisioning.account_keys import AccountKeys
from pilar.provisioning.asked import Resumer, WebhookKeeper
from pilar.provisioning.channel_look import ChannelLooker
from pilar.provisioning.closing import Closer
from pilar.provisioning.compensations import Compensations
from pilar.provisioning.defaults import CoachHooks, DefaultsKeeper
from pilar.provisioning.defaults_document import WorkspaceDefaults
from pilar.provisioning.doubts import ProvisioningDoubts
from pilar.provisioning.drift import Drift
from pilar.provisioning.events import (
    RESUMED_BY,
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
    WebhookRecreate,
)
from pilar.provisioning.giving_back import GivingBack
from pilar.provisioning.inbound_sms import TwilioInbox
from pilar.provisioning.key_drift import KeyDrift
from pilar.provisioning.message_steps import MessageSteps
from pilar.provisioning.next_thing import CONNECTION_STEP
from pilar.provisioning.number_notices import NumberNotices
from pilar.provisioning.owner_notices import OwnerNotices
from pilar.provisioning.plan_change import PlanChanger
from pilar.provisioning.prerequisite_steps import PrerequisiteSteps
from pilar.provisioning.replacing import Replacer
from pilar.provisioning.runner import Runner
from pilar.provisioning.signup import Signup, StripeInbox
from pilar.provisioning.steps import DatabaseStep, OutsideStep, Step, in_turn
from pilar.provisioning.subscription import EndAccess, SubscriptionKeeper
from pilar.provisioning.twilio_steps import TwilioSteps
from pilar.provisioning.undoing import Undoer
from pilar.provisioning.wait_notices import WaitNotices
from pilar.provisioning.whatsapp_steps import WhatsAppSteps
from pilar.provisioning.workspace_steps import WorkspaceSteps
from pilar.security.events import InviteMember
from pilar.security.invitations import Invitations
from pilar.security.leaving import end_access
from pilar.settings import Settings
from pilar.workspaces.configuration import StudioProfile
from pilar.workspaces.store import get_workspace

HEARERS = (hear_last_question, hear_checkin, hear_choice)
"""Who hears a lead's message before the rules do, in turn."""

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

ASKED_BY = {"mail": MAIL, "twilio": TWILIO, "whatsapp": META}
"""The provider that an effect is had at, by the first part of its kind."""


def studio_defaults(clocks: Clocks) -> DefaultsKeeper:
    """Who gives studios what they start with, and knows the template that is built in."""
    everyone = StudioProfile(name=STUDIO, country="NL", time_zone="UTC", language="en")
    built_in = WorkspaceDefaults(
        agent=default_agent(everyone),
        coaching=training_logic(),
        followups=messaging_defaults.default_followups(),
        calendar=calendar_defaults.default_calendar(),
    )
    return DefaultsKeeper(clocks, built_in, CoachHooks(check_training, plan_anew))


def ends_access(clocks: Clocks) -> EndAccess:
    """What takes away the access of everybody and everything that a studio had let in."""

    def end(connection: Connection, workspace_id: UUID, cause: Cause) -> None:
        end_access(connection, workspace_id, clocks.real.now(), cause)
        revoke_all(connection, clocks, workspace_id, audit.SYSTEM)

    return end


def provisioning_steps(
    settings: Settings,
    database: Database,
    clocks: Clocks,
    box: SecretBox,
    gateways: Gateways,
    ledger: EffectLedger,
    messages: MessageSteps,
    defaults: DefaultsKeeper,
    keeper: SubscriptionKeeper,
) -> tuple[Step, ...]:
    """How a studio comes into being, in order. Names are stored: a step keeps its name for good."""
    workspace = WorkspaceSteps(database, clocks, gateways.stripe, settings, keeper)
    twilio = TwilioSteps(database, clocks, gateways.twilio, ledger, box, settings)
    whatsapp = WhatsAppSteps(database, clocks, gateways.graph, gateways.mailer, ledger, box, settings)
    prerequisites = PrerequisiteSteps(database, clocks, gateways.graph, box)
    back = Compensations(
        database, clocks, gateways.stripe, gateways.twilio, gateways.graph, ledger, box, ends_access(clocks)
    )
    return (
        OutsideStep(
            "customer_validation", "Customer validation", workspace.validate_customer, undo=back.end_subscription
        ),
        DatabaseStep("workspace_creation", "Workspace", workspace.create_workspace, undo=back.shut),
        DatabaseStep(
            "default_ai_agent",
            "AI agent",
            in_turn(
                lambda connection, job: defaults.give(connection, job.workspace_id, "agent"),
                lambda connection, job: install_rules(connection, job.workspace_id, clocks.business.now()),
            ),
        ),
        DatabaseStep(
            "training_logic",
            "Training logic",
            lambda connection, job: defaults.give(connection, job.workspace_id, "coaching"),
        ),
        DatabaseStep(
            "followup_templates",
            "Follow-up templates",
            lambda connection, job: defaults.give(connection, job.workspace_id, "followups"),
        ),
        DatabaseStep(
            "calendar_integration",
            "Calendar",
            lambda connection, job: defaults.give(connection, job.workspace_id, "calendar"),
        ),
        OutsideStep("twilio_subaccount", "Twilio account", twilio.create_subaccount, undo=back.close_subaccount),
        OutsideStep("twilio_api_key", "Twilio API key", twilio.create_key),
        OutsideStep("phone_number_purchase", "Phone number", twilio.buy_number, undo=back.release_number),
        OutsideStep(CONNECTION_STEP, "WhatsApp account", whatsapp.connect),
        OutsideStep("whatsapp_registration", "WhatsApp number", whatsapp.register, undo=back.deregister),
        OutsideStep("template_approval", "Message templates", messages.approve_templates),
        OutsideStep("whatsapp_prerequisites", "WhatsApp prerequisites", prerequisites.check),
        DatabaseStep("test_message", "Test message", messages.send_test),
        DatabaseStep(
            "health_monitoring",
            "Health monitoring",
            lambda connection, job: run_checks(
                connection, clocks, [get_workspace(connection, job.workspace_id).workspace_id]
            ),
        ),
        OutsideStep("activation", "Activation", workspace.activate),
    )


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


def register_messaging(
    registry: Registry,
    clocks: Clocks,
    sender: Sender,
    together: TogetherSender,
    templates: TemplateKeeper,
    messages: MessageSteps,
    importer: LeadImporter,
    people: People,
    files: MediaKeeper,
    registrar: Registrar,
    numbers: NumberKeeper,
) -> None:
    """Who answers what about messages."""
    inbox = WhatsAppInbox(clocks, people)
    registry.on_delivery("whatsapp", "messaging.inbox", Transactional(inbox.on_delivery, inbox.on_deliveries))
    registry.on_delivery("twilio", "messaging.sms", Transactional(SmsInbox(clocks, people).on_delivery))
    registry.on_job(EraseLead, Transactional(Eraser(clocks, people).on_job))
    registry.on_job(RefusalUnanswered, Transactional(Unanswered(clocks, people).on_job))
    registry.know_event(SessionWindowClosing)
    registry.know_event(SessionWindowClosed)
    registry.on_job(RegisterAgain, Outside(registrar.run))
    registry.on_event(TemplateChanged, "messaging.waits", Transactional(TemplateWaits(clocks).on_template))
    registry.on_job(ReadNumber, Outside(numbers.on_job))
    registry.on_event(NumberChanged, "provisioning.notices", Transactional(NumberNotices(clocks).on_number))
    registry.on_job(SendMessage, Outside(sender.send, together=together.send))
    registry.on_job(SubmitTemplates, Outside(templates.on_job))
    registry.on_job(ImportLeads, Outside(importer.on_job))
    registry.on_job(FetchMedia, Outside(files.on_job))
    registry.on_job(HandBack, Transactional(HandingBack(clocks).on_job))
    registry.on_job(ReleaseHeld, Transactional(Release(clocks).run))
    registry.on_event(TemplateChanged, "provisioning.templates", Transactional(messages.on_template))
    registry.on_event(MessageReceived, "agents.answer", Transactional(Answerer(clocks, HEARERS).on_message))
    registry.know_event(HandedOver)


def register_models(registry: Registry, reconcilers: Reconcilers, answerer: ModelAnswerer) -> None:
    """Who has models answer leads."""
    registry.on_job(AnswerTurn, Outside(answerer.on_job))
    registry.on_event(EffectSettled, "agents.effects", Transactional(answerer.on_settled))
    answerer.register(reconcilers)


def register_refusals(registry: Registry, reconcilers: Reconcilers, reader: RefusalReader) -> None:
    """Who has models read what may be a refusal."""
    registry.on_event(RefusalUnclear, "agents.refusals", Transactional(reader.on_unclear))
    registry.on_job(ReadRefusal, Outside(reader.on_job))
    registry.on_event(EffectSettled, "agents.refusal_effects", Transactional(reader.on_settled))
    reader.register(reconcilers)


def register_personalising(registry: Registry, reconcilers: Reconcilers, personaliser: Personaliser) -> None:
    """Who has models write nudges."""
    registry.on_job(PersonaliseNudge, Outside(personaliser.on_job))
    personaliser.register(reconcilers)


def register_doubts(
    registry: Registry, database: Database, clocks: Clocks, box: SecretBox, gateways: Gateways, timeout: timedelta
) -> Reconcilers:
    """Who looks for which effect in doubt, and who goes on once it is settled."""
    reconcilers = Reconcilers(timeout)
    provisioning = ProvisioningDoubts(database, clocks, gateways.twilio, gateways.graph, box)
    provisioning.register(reconcilers)
    registry.on_event(EffectSettled, "provisioning.effects", Transactional(provisioning.on_settled))
    messaging = MessagingDoubts(database, clocks, gateways.graph, box)
    messaging.register(reconcilers)
    registry.on_event(EffectSettled, "messaging.effects", Transactional(messaging.on_settled))
    return reconcilers


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


def register_coach(registry: Registry, clocks: Clocks, importer: TrainingImporter) -> None:
    """Who answers what about coaching."""
    enrolments = Enrolments(clocks)
    registry.on_event(CoachingAskedFor, "coach.enrol", Transactional(enrolments.on_asked_for))
    registry.on_event(OptedOut, "coach.end", Transactional(enrolments.on_opted_out))
    registry.on_job(WakeNudges, Transactional(Waker(clocks).run))
    dispatcher = Dispatcher(clocks)
    registry.on_job(SendNudge, Transactional(dispatcher.run, together=dispatcher.run_together))
    registry.on_event(TrainingRecorded, "coach.trainings", Transactional(Trainings(clocks).on_recorded))
    registry.on_job(ImportTrainings, Outside(importer.on_job))
    for told in coach_events.TOLD:
        registry.know_event(told)


def register_followups(registry: Registry, clocks: Clocks) -> None:
    """Who writes to leads who fell silent."""
    registry.on_job(SendFollowup, Transactional(FollowupSender(clocks).run))


def register_asked(registry: Registry, clocks: Clocks, webhooks: WebhookKeeper, models: ModelChecker) -> None:
    """Who does what programs and people may ask for by event."""
    checker, coach, resumer = Checker(clocks), Coach(clocks), Resumer(clocks)
    for check in health_events.ASKED_FOR:
        look = Outside(models.on_asked) if check is AiProviderCheck else Transactional(checker.on_asked)
        registry.on_event(check, "health.look", look)
    for nudge in coach_events.ASKED_FOR:
        registry.on_event(nudge, "coach.plan", Transactional(coach.on_asked))
    for asked in RESUMED_BY:
        registry.on_event(asked, "provisioning.resume", Transactional(resumer.on_asked))
    registry.on_event(WebhookRecreate, "provisioning.subscribe", Outside(webhooks.on_asked))
    support = Support(clocks, Answerer(clocks, HEARERS))
    registry.on_event(AutoReplyRequest, "agents.reply", Transactional(support.on_reply_requested))
    registry.on_event(EscalationNeeded, "agents.hand_over", Transactional(support.on_escalation))
    registry.on_event(SupportIncident, "agents.incident", Transactional(support.on_incident))
