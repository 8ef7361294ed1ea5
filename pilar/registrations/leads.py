"""Who answers what about leads: their messages, who answers them, and what the coach writes.

What belongs here: the naming of each handler, which keeps its name for good. What does not: any rule.
"""

from __future__ import annotations

from pilar.agents.answering import Answerer
from pilar.agents.events import (
    AnswerTurn,
    CoachingAskedFor,
    ReadRefusal,
)
from pilar.agents.model_answers import ModelAnswerer
from pilar.agents.refusal_reader import RefusalReader
from pilar.agents.slot_offers import hear_choice
from pilar.backplane.effects import EffectSettled
from pilar.backplane.handlers import Outside, Registry, Transactional
from pilar.backplane.reconciling import Reconcilers
from pilar.clocks import Clocks
from pilar.coach import events as coach_events
from pilar.coach.checkin import hear_checkin
from pilar.coach.dispatch import Dispatcher
from pilar.coach.enrolment import Enrolments
from pilar.coach.events import ImportTrainings, PersonaliseNudge, SendNudge, TrainingRecorded, WakeNudges
from pilar.coach.last_question import hear_last_question
from pilar.coach.personalising import Personaliser
from pilar.coach.training_import import TrainingImporter
from pilar.coach.trainings import Trainings
from pilar.coach.waking import Waker
from pilar.followups.events import SendFollowup
from pilar.followups.sending import FollowupSender
from pilar.messaging.controls import Release
from pilar.messaging.erasing import Eraser
from pilar.messaging.events import (
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
from pilar.provisioning.message_steps import MessageSteps
from pilar.provisioning.number_notices import NumberNotices

HEARERS = (hear_last_question, hear_checkin, hear_choice)
"""Who hears a lead's message before the rules do, in turn."""


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
