"""`pilar up`. What belongs here: running the product with real providers until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from pilar_cli.configuration import read_settings
from pilar_cli.console import FAILED, Json, answer, answer_json, fail, say, sentence
from pilar_cli.ports import LOOPBACK


def up(
    with_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Whether the warm worker runs; Dagster's sensors drain too.")
    ] = True,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The web service's port.")] = None,
    host: Annotated[str, typer.Option(help="The address that the web service listens on.")] = LOOPBACK,
    web_workers: Annotated[int, typer.Option(min=1, max=64, help="Processes of the web service.")] = 1,
    as_json: Json = False,
) -> None:
    """Run web service, worker and Dagster until Ctrl-C; with an embedded database unless PILAR_DATABASE_URL is set."""
    from pilar_cli.crew import Interrupted
    from pilar_cli.doctor import turned_off
    from pilar_cli.running import Plan, System, running, work_beside

    settings = read_settings()
    plan = Plan("pilar up", settings, with_worker=with_worker, web_port=port, web_host=host, web_workers=web_workers)

    def tell(system: System) -> None:
        system.crew.wait_ready(*(["web", "worker"] if with_worker else ["web"]), "dagster-code", "dagster-webserver")
        addresses = {
            "web": system.settings.public_url,
            "overview": f"{system.settings.public_url}/overview",
            "dagster": f"{system.settings.public_url}/dagster/",
        }
        if as_json:
            answer_json(addresses)
        else:
            answer("PILAR is up. Ctrl-C stops it.")
            for name, address in addresses.items():
                answer(f"  {name:<9} {address}")
            answer("  sign in   pilar token founder --email YOU@EXAMPLE")

    try:
        with running(plan, say) as system:
            for name, consequence in turned_off(settings).items():
                say(f"{name} is not set; off: {consequence}.")
            say("Starting the web service, the worker and Dagster …" if with_worker else "Starting …")
            failure = work_beside(system, lambda: tell(system), say)
            say("Stopping …")
    except Interrupted:
        failure = None
    if isinstance(failure, Interrupted):
        failure = None
    if isinstance(failure, Exception):
        fail(sentence(failure), FAILED)
