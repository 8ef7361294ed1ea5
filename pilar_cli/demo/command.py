"""`pilar demo`. What belongs here: `pilar up` with the sandbox in place of providers, and the story told on it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from pilar.errors import NotConfigured, PilarError
from pilar.settings import Settings
from pilar_cli import sandbox, system
from pilar_cli.configuration import read_settings, variable
from pilar_cli.console import FAILED, INTERRUPTED, Json, answer_json, fail, sentence
from pilar_cli.ports import LOOPBACK
from pilar_cli.processes import ProcessSpec

REAL_KEYS = ("sk_live_", "rk_live_")
"""How keys begin that move real money."""


def demo(
    studios: Annotated[int, typer.Option(min=1, max=500, help="How many people pay for a studio.")] = 5,
    with_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Whether the warm worker runs; Dagster's sensors drain too.")
    ] = True,
    leave: Annotated[bool, typer.Option("--exit", help="End after the story; 0 only if everything happened.")] = False,
    home: Annotated[Path | None, typer.Option(help="Where its state is kept; else PILAR_HOME, else .pilar.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The web service's port.")] = None,
    as_json: Json = False,
) -> None:
    """Show the whole system at work on this machine: studios are paid for, come to life, and live through a day."""
    began = time.monotonic()
    from pilar.database.engine import Database
    from pilar.database.shared_clock import shared_clocks
    from pilar_cli.crew import Interrupted
    from pilar_cli.demo.access import Access
    from pilar_cli.demo.display import Display
    from pilar_cli.demo.outcome import Outcome
    from pilar_cli.demo.outside import Outside
    from pilar_cli.demo.report import print_report
    from pilar_cli.demo.story import Stage, Story
    from pilar_cli.running import Plan, System, running, work_beside

    settings = read_settings(**({"home": home} if home else {}))
    _refuse_real_money(settings)
    ports = tuple(system.SANDBOX_PORTS.items())
    plan = Plan("pilar demo", settings, with_worker=with_worker, web_port=port, more_ports=ports)
    outcome = Outcome(seed=secrets.randbelow(2**31), with_worker=with_worker)
    display = Display(to_stderr=as_json)
    is_told = False

    def tell(on: System) -> None:
        nonlocal is_told
        database = Database(on.database_url, pool_size=2, application_name="pilar demo")
        access = Access(on.settings, database, on.ports["sandbox"])
        try:
            with display, Outside(f"http://{LOOPBACK}:{on.ports['sandbox']}") as outside:
                stage = Stage(
                    on.crew, database, outside, on.url, on.dagster_url, display, shared_clocks(database),
                    access.new_link, access.owner_link, began,
                )  # fmt: skip
                Story(stage, studios, outcome).tell()
            ways = access.ways()
        finally:
            database.close()
        is_told = True
        if as_json:
            answer_json(outcome.as_json() | {"access": ways})
        else:
            print_report(outcome, ways)
        if leave:
            on.stop.set()
        else:
            display.say("It stays up until Ctrl-C.")

    failure: BaseException | None = None
    try:
        with running(plan, display.say, with_sandbox) as on:
            display.say("Starting the web service, the worker, the sandbox and Dagster …")
            failure = work_beside(on, lambda: tell(on), display.say)
            display.say("Stopping …")
    except PilarError as error:
        failure = error
    if is_told:
        raise typer.Exit(0 if outcome.is_complete else FAILED)
    outcome.failure = sentence(failure) if isinstance(failure, Exception) else "It was stopped before it was done."
    if as_json:
        answer_json(outcome.as_json())
    fail(outcome.failure, INTERRUPTED if failure is None or isinstance(failure, Interrupted) else FAILED)


def _refuse_real_money(settings: Settings) -> None:
    """Keep make-believe studios away from real ones."""
    key = settings.stripe_api_key
    if key is not None and key.get_secret_value().startswith(REAL_KEYS):
        raise NotConfigured(
            f"{variable('stripe_api_key')} is a live key. The demonstration would put make-believe studios "
            "beside real ones: unset it, or use another home and database."
        )


def with_sandbox(settings: Settings, ports: dict[str, int]) -> tuple[Settings, Sequence[ProcessSpec]]:
    """Settings that lead to the sandbox in place of every provider, and the sandbox itself."""
    from provider_sandbox.stripe.objects import PRICES

    home = settings.home_path
    keys = sandbox.sandbox_keys(home)
    base = f"http://{LOOPBACK}:{ports['sandbox']}"
    public_url = f"http://{LOOPBACK}:{ports['web']}"
    changed = settings.model_copy(
        update={
            "public_url": public_url,
            "stripe_api_key": SecretStr(keys["stripe-api-key"]),
            "stripe_api_base": f"{base}/stripe",
            "stripe_webhook_secret": (SecretStr(keys["stripe-webhook-secret"]),),
            "stripe_price_basic": PRICES["BASIC"][0],
            "stripe_price_pro": PRICES["PRO"][0],
            "twilio_account_sid": keys["twilio-account-sid"],
            "twilio_auth_token": SecretStr(keys["twilio-auth-token"]),
            "twilio_api_base": f"{base}/twilio",
            "meta_app_id": keys["meta-app-id"],
            "meta_app_secret": (SecretStr(keys["meta-app-secret"]),),
            "meta_config_id": "demonstration",
            "meta_verify_token": SecretStr(keys["meta-verify-token"]),
            "meta_access_token": SecretStr(f"{keys['meta-app-id']}|{keys['meta-app-secret']}"),
            "meta_api_base": f"{base}/meta",
            "meta_dialog_base": f"{base}/meta",
            "openai_api_key": SecretStr(keys["openai-api-key"]),
            "openai_api_base": f"{base}/openai/v1",
            "groq_api_key": SecretStr(keys["groq-api-key"]),
            "groq_api_base": f"{base}/groq/openai/v1",
            "anthropic_api_key": SecretStr(keys["anthropic-api-key"]),
            "anthropic_api_base": f"{base}/anthropic",
            "elevenlabs_api_key": SecretStr(keys["elevenlabs-api-key"]),
            "elevenlabs_api_base": f"{base}/elevenlabs",
            "smtp_url": SecretStr(f"smtp://{LOOPBACK}:{ports['sandbox-mail']}"),
        }
    )
    spec = system.sandbox(
        home / sandbox.STATE,
        keys,
        port=ports["sandbox"],
        mail_port=ports["sandbox-mail"],
        webhooks={
            "stripe": f"{public_url}/api/webhooks/stripe",
            "meta": f"{public_url}/api/webhooks/whatsapp",
        },
    )
    return changed, [spec]
