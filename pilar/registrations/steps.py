"""How a studio comes into being: its steps, in order, and what it starts with.

What belongs here: the naming of each. Names are stored: a step keeps its name for good. What does not: what a step does
(`provisioning`), and who runs it (`studios.py`).
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from pilar.agents.defaults import STUDIO, default_agent, install_rules
from pilar.backplane import audit
from pilar.backplane.effects import EffectLedger
from pilar.backplane.facts import Cause
from pilar.bookings import defaults as calendar_defaults
from pilar.bookings.feeds import revoke_all
from pilar.clocks import Clocks
from pilar.coach.defaults import training_logic
from pilar.coach.training_logic import check as check_training
from pilar.coach.training_logic import plan_anew
from pilar.crypto import SecretBox
from pilar.database.engine import Database
from pilar.gateways import Gateways
from pilar.health.checks import run_checks
from pilar.messaging import defaults as messaging_defaults
from pilar.provisioning.compensations import Compensations
from pilar.provisioning.defaults import CoachHooks, DefaultsKeeper
from pilar.provisioning.defaults_document import WorkspaceDefaults
from pilar.provisioning.message_steps import REVIEW_STEP, MessageSteps
from pilar.provisioning.next_thing import CONNECTION_STEP
from pilar.provisioning.prerequisite_steps import PrerequisiteSteps
from pilar.provisioning.steps import DatabaseStep, OutsideStep, Step, in_turn
from pilar.provisioning.subscription import EndAccess, SubscriptionKeeper
from pilar.provisioning.twilio_steps import TwilioSteps
from pilar.provisioning.whatsapp_steps import WhatsAppSteps
from pilar.provisioning.workspace_steps import WorkspaceSteps
from pilar.security.leaving import end_access
from pilar.settings import Settings
from pilar.workspaces.configuration import StudioProfile
from pilar.workspaces.store import get_workspace


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
        OutsideStep(REVIEW_STEP, "Message templates", messages.approve_templates),
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
