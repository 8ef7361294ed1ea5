"""Our clients and the sandbox side by side. What belongs here: the pair, and a studio's first steps; no assertions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx

from pilar.providers.stripe.client import StripeGateway
from pilar.providers.twilio.client import TwilioAccount, TwilioGateway
from pilar.providers.whatsapp.client import GraphClient
from pilar.settings import Settings
from provider_sandbox.testing import RunningSandbox
from tests.providers.local_http import LocalServer

BACK = "http://127.0.0.1:1/whatsapp/connected"


@dataclass(frozen=True)
class World:
    sandbox: RunningSandbox
    hooks: LocalServer
    settings: Settings
    stripe: StripeGateway
    twilio: TwilioGateway
    graph: GraphClient

    @property
    def webhooks(self) -> tuple[str, str]:
        return f"{self.hooks.base}/sms", f"{self.hooks.base}/status"


def settings_for(sandbox: RunningSandbox) -> Settings:
    config = sandbox.config
    return Settings(
        stripe_api_key=config.stripe_api_key,
        stripe_api_base=f"{sandbox.base_url}/stripe",
        stripe_webhook_secret=config.stripe_webhook_secret,
        twilio_account_sid=config.twilio_account_sid,
        twilio_auth_token=config.twilio_auth_token,
        twilio_api_base=f"{sandbox.base_url}/twilio",
        meta_app_id=config.meta_app_id,
        meta_app_secret=config.meta_app_secret,
        meta_config_id="815",
        meta_api_base=f"{sandbox.base_url}/meta",
        meta_dialog_base=f"{sandbox.base_url}/meta",
        openai_api_key=config.openai_api_key,
        openai_api_base=f"{sandbox.base_url}/openai/v1",
        groq_api_key=config.groq_api_key,
        groq_api_base=f"{sandbox.base_url}/groq/openai/v1",
        anthropic_api_key=config.anthropic_api_key,
        anthropic_api_base=f"{sandbox.base_url}/anthropic",
        elevenlabs_api_key=config.elevenlabs_api_key,
        elevenlabs_api_base=f"{sandbox.base_url}/elevenlabs",
        smtp_url=f"smtp://pilar:password@127.0.0.1:{sandbox.smtp_port}",
        mail_from="PILAR <no-reply@pilar.example>",
    )


def bought_number(world: World) -> tuple[TwilioAccount, str]:
    account = world.twilio.create_subaccount("w-1")
    (offered,) = world.twilio.available_numbers(account.credentials, "US", limit=1)
    bought = world.twilio.buy_number(account.credentials, offered, "w-1:number", *world.webhooks)
    return account, bought.phone_number


def code_from_accepting(world: World, state: str) -> str:
    """Play the owner who accepts Meta's terms."""
    url = world.graph.signup_url(state, BACK)
    page = httpx.get(url)
    assert page.status_code == 200
    form = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    answer = httpx.post(url.partition("?")[0], data=form | {"decision": "accept"})
    came_back = parse_qs(urlsplit(answer.headers["location"]).query)
    assert came_back["state"] == [state]
    return came_back["code"][0]


@dataclass(frozen=True)
class Studio:
    """A studio whose number can send and whose webhooks come to us."""

    token: str
    waba_id: str
    phone_id: str
    number: str


def connected_studio(world: World, state: str) -> Studio:
    token = world.graph.exchange_code(code_from_accepting(world, state), BACK)
    (waba_id,) = world.graph.granted_accounts(token)
    account = world.twilio.create_subaccount(state)
    (offered,) = world.twilio.available_numbers(account.credentials, "US", limit=1)
    number = world.twilio.buy_number(account.credentials, offered, f"{state}:number", *world.webhooks).phone_number
    phone_id = world.graph.add_phone_number(token, waba_id, number, "Studio Zon")
    world.graph.request_code(token, phone_id, "en_US")
    world.sandbox.wait_idle()
    code = re.search(r"(\d{3})-(\d{3})", world.hooks.requests[-1].form["Body"])
    assert code is not None
    world.graph.verify_code(token, phone_id, "".join(code.groups()))
    world.graph.register(token, phone_id, "654321")
    world.graph.subscribe_app(token, waba_id)
    return Studio(token, waba_id, phone_id, number)
