"""Who looks for effects in doubt, and who does what programs and people ask for by event.

What belongs here: the naming of each. What does not: any rule.
"""

from __future__ import annotations

from datetime import timedelta

from pilar.agents.answering import Answerer
from pilar.agents.events import (
    AutoReplyRequest,
    EscalationNeeded,
    SupportIncident,
)
from pilar.agents.support import Support
from pilar.backplane.effects import EffectSettled
from pilar.backplane.handlers import Outside, Registry, Transactional
from pilar.backplane.reconciling import Reconcilers
from pilar.clocks import Clocks
from pilar.coach import events as coach_events
from pilar.coach.asked import Coach
from pilar.crypto import SecretBox
from pilar.database.engine import Database
from pilar.gateways import Gateways
from pilar.health import events as health_events
from pilar.health.asked import Checker
from pilar.health.events import AiProviderCheck
from pilar.health.model_check import ModelChecker
from pilar.messaging.doubts import MessagingDoubts
from pilar.provisioning.asked import Resumer, WebhookKeeper
from pilar.provisioning.doubts import ProvisioningDoubts
from pilar.provisioning.events import (
    RESUMED_BY,
    WebhookRecreate,
)
from pilar.registrations.leads import HEARERS


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
