"""The composition root: builds the system from its rooms.

What belongs here: which handler answers what, which steps make a studio, which promises are watched, each named
explicitly. What does not: any rule. Command line, worker, Dagster's resources, web service and tests all start here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pilar.agents.defaults import default_agent
from pilar.backplane import invariants as backplane_invariants
from pilar.backplane.drain import Drain
from pilar.backplane.effects import EffectLedger
from pilar.backplane.handlers import Outside, Registry, Transactional
from pilar.backplane.invariants import Invariant
from pilar.backplane.notices import IncidentRequested
from pilar.bookings import defaults as calendar_defaults
from pilar.clocks import Clocks
from pilar.coach.defaults import training_logic
from pilar.crypto import SecretBox
from pilar.database.engine import Database
from pilar.database.shared_clock import shared_clocks
from pilar.errors import NotConfigured
from pilar.health import invariants as health_invariants
from pilar.health.checks import run_checks
from pilar.health.incidents import IncidentKeeper
from pilar.messaging import defaults as messaging_defaults
from pilar.messaging.inbox import WhatsAppInbox
from pilar.providers.email.client import Mailer
from pilar.providers.stripe.client import StripeGateway
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.whatsapp.client import GraphClient
from pilar.provisioning import invariants as provisioning_invariants
from pilar.provisioning.events import AdvanceProvisioning, ReconcileSubscription, StepCompleted, StudioActivated
from pilar.provisioning.inbound_sms import TwilioInbox
from pilar.provisioning.overview import Overview
from pilar.provisioning.runner import Runner
from pilar.provisioning.setup import CONNECTION_STEP, Setup
from pilar.provisioning.signup import Signup, StripeInbox
from pilar.provisioning.steps import DatabaseStep, OutsideStep, Step
from pilar.provisioning.twilio_steps import TwilioSteps
from pilar.provisioning.whatsapp_steps import WhatsAppSteps
from pilar.provisioning.workspace_steps import WorkspaceSteps
from pilar.settings import Settings, reveal
from pilar.workspaces.store import get_workspace, load_configuration


@dataclass(frozen=True)
class Gateways:
    """The providers."""

    stripe: StripeGateway
    twilio: TwilioGateway
    graph: GraphClient
    mailer: Mailer


@dataclass(frozen=True)
class App:
    """The system, put together."""

    settings: Settings
    database: Database
    clocks: Clocks
    box: SecretBox
    gateways: Gateways
    registry: Registry
    steps: tuple[Step, ...]
    invariants: tuple[Invariant, ...]
    overview: Overview
    setup: Setup

    def drain(self, worker: str) -> Drain:
        """A drain under a name of its own, for one process."""
        return Drain(
            database=self.database,
            registry=self.registry,
            clocks=self.clocks,
            worker=worker,
            lease=timedelta(seconds=self.settings.lease_seconds),
            threads=self.settings.worker_threads,
        )

    def close(self) -> None:
        """Give connections back."""
        self.gateways.stripe.close()
        self.gateways.twilio.close()
        self.gateways.graph.close()
        self.database.close()


def build_app(settings: Settings, *, database: Database | None = None, clocks: Clocks | None = None) -> App:
    """Put the system together.

    Args:
        settings: everything that differs between installations.
        database: one that is there already; else the one that the settings name.
        clocks: both clocks; else real time and the business time that the database tells.

    Raises:
        NotConfigured: no database is named, or no key to encrypt credentials with.
    """
    if database is None:
        if settings.database_url is None:
            raise NotConfigured("PILAR_DATABASE_URL is not set; `pilar up` starts an embedded server and sets it.")
        database = Database(settings.database_url.get_secret_value(), pool_size=settings.worker_threads + 4)
    clocks = clocks or shared_clocks(database)
    box = SecretBox(reveal(settings.secret_keys))
    gateways = Gateways(StripeGateway(settings), TwilioGateway(settings), GraphClient(settings), Mailer(settings))
    timeout = timedelta(seconds=settings.provider_timeout_seconds)
    ledger = EffectLedger(database, clocks, timeout=timeout)
    steps = provisioning_steps(settings, database, clocks, box, gateways, ledger)
    return App(
        settings=settings,
        database=database,
        clocks=clocks,
        box=box,
        gateways=gateways,
        registry=build_registry(settings, database, clocks, box, gateways, steps),
        steps=steps,
        invariants=(
            *backplane_invariants.INVARIANTS,
            *provisioning_invariants.INVARIANTS,
            *health_invariants.INVARIANTS,
        ),
        overview=Overview(steps, box, settings.public_url),
        setup=Setup(clocks, gateways.graph, box, settings),
    )


def provisioning_steps(
    settings: Settings,
    database: Database,
    clocks: Clocks,
    box: SecretBox,
    gateways: Gateways,
    ledger: EffectLedger,
) -> tuple[Step, ...]:
    """How a studio comes into being, in order. Names are stored: a step keeps its name for good."""
    workspace = WorkspaceSteps(database, clocks, gateways.stripe, settings)
    twilio = TwilioSteps(database, clocks, gateways.twilio, ledger, box, settings)
    whatsapp = WhatsAppSteps(database, clocks, gateways.graph, gateways.mailer, ledger, box, settings)
    return (
        OutsideStep("customer_validation", "Customer validation", workspace.validate_customer),
        DatabaseStep("workspace_creation", "Workspace", workspace.create_workspace),
        DatabaseStep(
            "default_ai_agent",
            "AI agent",
            workspace.configure(
                "the agent to start with",
                lambda document: document.model_copy(
                    update={"agent": document.agent or default_agent(document.studio)}
                ),
            ),
        ),
        DatabaseStep(
            "training_logic",
            "Training logic",
            workspace.configure(
                "the training logic to start with",
                lambda document: document.model_copy(
                    update={"coaching": document.coaching if document.coaching.schedules else training_logic()}
                ),
            ),
        ),
        DatabaseStep(
            "followup_templates",
            "Follow-up templates",
            lambda connection, job: messaging_defaults.install(
                connection,
                job.workspace_id,
                load_configuration(connection, job.workspace_id)[1].studio.language,
                clocks.business.now(),
            ),
        ),
        DatabaseStep(
            "calendar_integration",
            "Calendar",
            lambda connection, job: calendar_defaults.install(connection, job.workspace_id, clocks.business.now()),
        ),
        OutsideStep("twilio_subaccount", "Twilio account", twilio.create_subaccount),
        OutsideStep("phone_number_purchase", "Phone number", twilio.buy_number),
        OutsideStep(CONNECTION_STEP, "WhatsApp account", whatsapp.connect),
        OutsideStep("whatsapp_registration", "WhatsApp number", whatsapp.register),
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
    steps: Sequence[Step],
) -> Registry:
    """Who answers what."""
    registry = Registry()
    registry.on_delivery("stripe", Transactional(StripeInbox(clocks).on_delivery))
    registry.on_delivery("twilio", Transactional(TwilioInbox(clocks, box).on_delivery))
    registry.on_delivery("whatsapp", Transactional(WhatsAppInbox().on_delivery))
    signup = Signup(database, clocks, gateways.stripe, box, steps, settings)
    registry.on_job(ReconcileSubscription, Outside(signup.reconcile))
    runner = Runner(database, clocks, steps, lock_ttl=timedelta(seconds=settings.lease_seconds))
    registry.on_job(AdvanceProvisioning, Outside(runner.advance))
    registry.on_event(IncidentRequested, "health.incidents", Transactional(IncidentKeeper(clocks).on_request))
    registry.know_event(StepCompleted)
    registry.know_event(StudioActivated)
    return registry
