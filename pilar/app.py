"""The composition root: builds the system from its rooms.

What belongs here: what is built of what, and which promises are watched, each named explicitly. What does not: any
rule, and who answers what (`registrations`). Command line, worker, Dagster, web service and tests all start here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pilar.affiliates import invariants as affiliates_invariants
from pilar.agents import invariants as agents_invariants
from pilar.agents import people_store as agents_people
from pilar.agents.model_answers import ModelAnswerer
from pilar.agents.refusal_reader import RefusalReader
from pilar.backplane import invariants as backplane_invariants
from pilar.backplane.breakers import Breakers
from pilar.backplane.drain import Drain
from pilar.backplane.effects import EffectLedger
from pilar.backplane.handlers import Registry
from pilar.backplane.invariants import Invariant
from pilar.backplane.locks import Front, LockKeeper
from pilar.backplane.reconciling import Reconcilers
from pilar.bookings import invariants as calendar_invariants
from pilar.bookings import people_store as bookings_people
from pilar.clocks import Clocks
from pilar.coach import invariants as coach_invariants
from pilar.coach import people_store as coach_people
from pilar.coach.chart import painted
from pilar.coach.personalising import Personaliser
from pilar.coach.told import coaching_facts
from pilar.coach.training_import import TrainingImporter
from pilar.coach.trying import Rehearsal
from pilar.crypto import SecretBox
from pilar.database.engine import Database
from pilar.database.shared_clock import shared_clocks
from pilar.errors import NotConfigured
from pilar.experiments import invariants as experiments_invariants
from pilar.experiments import people_store as experiments_people
from pilar.followups import invariants as followups_invariants
from pilar.followups import people_store as followups_people
from pilar.gateways import Gateways
from pilar.health import invariants as health_invariants
from pilar.health.model_check import ModelChecker
from pilar.messaging import invariants as messaging_invariants
from pilar.messaging import people_room as messaging_people
from pilar.messaging.lead_import import LeadImporter
from pilar.messaging.mails import MailSender
from pilar.messaging.media import MediaKeeper
from pilar.messaging.number_news import NumberKeeper
from pilar.messaging.pictures import Pictures
from pilar.messaging.registering import Registrar
from pilar.messaging.rooms import People
from pilar.messaging.sending import Sender
from pilar.messaging.sending_together import TogetherSender
from pilar.messaging.sms import SmsSender
from pilar.messaging.templates import TemplateKeeper
from pilar.providers.dagster.client import GRAPHQL_PATH, DagsterClient
from pilar.providers.elevenlabs.client import ElevenLabs
from pilar.providers.email.client import Mailer
from pilar.providers.email.errors import MAIL
from pilar.providers.llm.client import Models
from pilar.providers.stripe.client import StripeGateway
from pilar.providers.stripe.errors import STRIPE
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.twilio.errors import TWILIO
from pilar.providers.whatsapp.client import GraphClient
from pilar.providers.whatsapp.errors import META
from pilar.provisioning import invariants as provisioning_invariants
from pilar.provisioning.asked import WebhookKeeper
from pilar.provisioning.closing import Closer
from pilar.provisioning.defaults import DefaultsKeeper
from pilar.provisioning.giving_back import GivingBack
from pilar.provisioning.message_steps import MessageSteps
from pilar.provisioning.overview import Overview
from pilar.provisioning.owner_notices import OwnerNotices
from pilar.provisioning.plan_change import PlanChanger
from pilar.provisioning.setup import Setup
from pilar.provisioning.steps import Step
from pilar.provisioning.subscription import SubscriptionKeeper
from pilar.provisioning.wait_notices import WaitNotices
from pilar.registrations.asked import register_asked, register_doubts
from pilar.registrations.leads import (
    register_coach,
    register_followups,
    register_messaging,
    register_models,
    register_personalising,
    register_refusals,
)
from pilar.registrations.steps import ends_access, provisioning_steps, studio_defaults
from pilar.registrations.studios import build_registry, register_access, register_healing, register_subscriptions
from pilar.security.invitations import Invitations
from pilar.settings import Settings, reveal

ASKED_BY = {"mail": MAIL, "stripe": STRIPE, "twilio": TWILIO, "whatsapp": META}
"""Which provider is asked for an effect, by the first word of its kind."""

KEEP_LEADS = (
    messaging_people.ROOM,
    bookings_people.ROOM,
    experiments_people.ROOM,
    agents_people.ROOM,
    coach_people.ROOM,
    followups_people.ROOM,
)
"""The rooms that keep something about leads: each says what becomes of it when a lead is merged, told or erased."""


@dataclass(frozen=True)
class App:
    """The system, put together."""

    settings: Settings
    database: Database
    clocks: Clocks
    box: SecretBox
    breakers: Breakers
    locks: LockKeeper
    gateways: Gateways
    registry: Registry
    reconcilers: Reconcilers
    steps: tuple[Step, ...]
    invariants: tuple[Invariant, ...]
    overview: Overview
    setup: Setup
    defaults: DefaultsKeeper
    people: People
    subscriptions: SubscriptionKeeper
    together: TogetherSender
    rehearsal: Rehearsal

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
        self.together.close()
        self.gateways.stripe.close()
        self.gateways.twilio.close()
        self.gateways.graph.close()
        self.gateways.dagster.close()
        self.gateways.models.close()
        self.gateways.voices.close()
        self.locks.close()
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
        database = Database(settings.database_url.get_secret_value(), pool_size=4 * settings.worker_threads + 4)
    clocks = clocks or shared_clocks(database)
    box = SecretBox(reveal(settings.secret_keys))
    breakers = Breakers(clocks.real)
    locks = LockKeeper(clocks.real, lock_front(settings, breakers))
    gateways = Gateways(
        stripe=StripeGateway(settings, breakers),
        twilio=TwilioGateway(settings, breakers),
        graph=GraphClient(settings, breakers),
        mailer=Mailer(settings, breakers),
        dagster=DagsterClient(settings.dagster_url + GRAPHQL_PATH, timeout_seconds=settings.provider_timeout_seconds),
        models=Models(settings, breakers),
        voices=ElevenLabs(settings, breakers),
    )
    timeout = timedelta(seconds=settings.provider_timeout_seconds)
    ledger = EffectLedger(database, clocks, timeout=timeout, ready=ready(breakers))
    templates = TemplateKeeper(database, clocks, gateways.graph, ledger, box)
    messages = MessageSteps(clocks, templates)
    defaults, keeper = studio_defaults(clocks), SubscriptionKeeper(clocks, settings, ends_access(clocks))
    steps = provisioning_steps(settings, database, clocks, box, gateways, ledger, messages, defaults, keeper)
    waits = WaitNotices(database, clocks, gateways.mailer, gateways.twilio, ledger, box, settings)
    registry = build_registry(settings, database, clocks, box, gateways, locks, steps, waits, keeper)
    people = People(box, KEEP_LEADS)
    sms = SmsSender(gateways.twilio, settings.public_url)
    mail = MailSender(database, gateways.mailer, people, settings.public_url)
    pictures = Pictures(database, clocks, gateways.graph, ledger, box, painted)
    sender = Sender(database, clocks, gateways.graph, sms, mail, ledger, box, people, pictures)
    importer = LeadImporter(database, clocks, people)
    files = MediaKeeper(database, clocks, gateways.graph, box)
    registrar = Registrar(database, clocks, gateways.graph, box)
    numbers = NumberKeeper(database, clocks, gateways.graph, box)
    together = TogetherSender(database, clocks, gateways.graph, ledger, box, sender, people)
    register_messaging(
        registry, clocks, sender, together, templates, messages, importer, people, files, registrar, numbers
    )
    register_subscriptions(
        registry,
        Closer(database, clocks, GivingBack(gateways.stripe, gateways.twilio, ledger), box, settings),
        OwnerNotices(database, clocks, gateways.stripe, gateways.mailer, ledger, settings),
        PlanChanger(database, clocks, gateways.stripe, ledger, settings),
    )
    register_access(registry, Invitations(database, clocks, gateways.mailer, ledger, settings))
    register_coach(registry, clocks, TrainingImporter(database, clocks))
    register_followups(registry, clocks)
    reconcilers = register_doubts(registry, database, clocks, box, gateways, timeout)
    register_models(registry, reconcilers, ModelAnswerer(database, clocks, gateways.models, (coaching_facts,)))
    register_refusals(registry, reconcilers, RefusalReader(database, clocks, gateways.models, people))
    drift = register_healing(registry, settings, database, clocks, box, gateways, ledger)
    register_personalising(registry, reconcilers, Personaliser(database, clocks, gateways.models))
    register_asked(
        registry,
        clocks,
        WebhookKeeper(database, drift),
        ModelChecker(database, clocks, gateways.models),
    )
    return App(
        settings=settings,
        database=database,
        clocks=clocks,
        box=box,
        breakers=breakers,
        locks=locks,
        gateways=gateways,
        registry=registry,
        reconcilers=reconcilers,
        steps=steps,
        invariants=(
            *backplane_invariants.INVARIANTS,
            *calendar_invariants.INVARIANTS,
            *experiments_invariants.INVARIANTS,
            *provisioning_invariants.INVARIANTS,
            *health_invariants.INVARIANTS,
            *messaging_invariants.INVARIANTS,
            *affiliates_invariants.INVARIANTS,
            *agents_invariants.INVARIANTS,
            *coach_invariants.INVARIANTS,
            *followups_invariants.INVARIANTS,
        ),
        overview=Overview(steps, box, settings.public_url),
        setup=Setup(clocks, gateways.graph, box, settings),
        defaults=defaults,
        people=people,
        subscriptions=keeper,
        together=together,
        rehearsal=Rehearsal(database, clocks, gateways.models, people),
    )


def ready(breakers: Breakers) -> Callable[[str], None]:
    """What raises `CircuitOpen` where the provider of a kind of effect is left alone for now."""

    def check(kind: str) -> None:
        provider = ASKED_BY.get(kind.partition(".")[0])
        if provider is not None:
            breakers.of(provider.name).check()

    return check


def lock_front(settings: Settings, breakers: Breakers) -> Front | None:
    """Who refuses locks before the database is asked: Redis, where there is one."""
    if settings.redis_url is None:
        return None
    from pilar.backplane.redis_locks import RULE, RedisFront

    return RedisFront(settings.redis_url.get_secret_value(), breakers.of("Redis", RULE))
