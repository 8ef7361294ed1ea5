"""The providers behind their clients. What belongs here: the set of them, as the composition root hands it around."""

from __future__ import annotations

from dataclasses import dataclass

from pilar.providers.dagster.client import DagsterClient
from pilar.providers.elevenlabs.client import ElevenLabs
from pilar.providers.email.client import Mailer
from pilar.providers.llm.client import Models
from pilar.providers.stripe.client import StripeGateway
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.whatsapp.client import GraphClient


@dataclass(frozen=True)
class Gateways:
    """The providers, and Dagster, which is reached like one."""

    stripe: StripeGateway
    twilio: TwilioGateway
    graph: GraphClient
    mailer: Mailer
    dagster: DagsterClient
    models: Models
    voices: ElevenLabs
