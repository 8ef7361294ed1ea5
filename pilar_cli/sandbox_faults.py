"""`pilar sandbox faults`. What belongs here: setting, drawing, showing, ending the plan by which providers misbehave.

What a plan may hold and what it does is the sandbox's (`provider_sandbox/faults`), which also judges it.
"""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pilar_cli.console import Json, answer, answer_json, new_group, show_table, wrong_usage
from pilar_cli.sandbox_client import Url, ask

app = new_group("Let the sandbox's providers misbehave by a plan that repeats with its seed.")

RULE = ("provider", "direction", "kind", "path", "probability", "most", "seconds", "status", "when", "starts", "ends")
"""The fields of a rule, as they are sent."""


class Direction(StrEnum):
    """Whom a fault befalls."""

    REQUEST = "request"
    WEBHOOK = "webhook"


class When(StrEnum):
    """Where in a request it breaks."""

    BEFORE = "before"
    AFTER = "after"


@app.command("list")
def list_kinds(as_json: Json = False) -> None:
    """Say which providers can misbehave, and how."""
    from provider_sandbox.faults.plan import PROVIDERS, REQUEST_KINDS, WEBHOOK_KINDS, WEBHOOK_SENDERS

    if as_json:
        answer_json(
            {
                "request": {"providers": PROVIDERS, "kinds": REQUEST_KINDS},
                "webhook": {"providers": WEBHOOK_SENDERS, "kinds": WEBHOOK_KINDS},
            }
        )
        return
    rows = [[Direction.REQUEST, kind, f"The provider {told}."] for kind, told in REQUEST_KINDS.items()]
    rows += [[Direction.WEBHOOK, kind, f"The webhook {told}."] for kind, told in WEBHOOK_KINDS.items()]
    show_table(("Direction", "Kind", "What happens"), rows)
    answer(f"Requests can go wrong at {', '.join(PROVIDERS)}; webhooks of {', '.join(WEBHOOK_SENDERS)}.")


@app.command("set")
def set_plan(
    provider: Annotated[str | None, typer.Option(help="Who misbehaves; `list` names them.")] = None,
    kind: Annotated[str | None, typer.Option(help="How; `list` explains them.")] = None,
    direction: Annotated[Direction, typer.Option(help="What it befalls.")] = Direction.REQUEST,
    path: Annotated[str, typer.Option(help="Paths such as '/v1/*', or events such as 'invoice.*'.")] = "*",
    probability: Annotated[float, typer.Option(help="Of each, from 0 to 1.")] = 1.0,
    most: Annotated[int | None, typer.Option(help="How often at most.")] = None,
    seconds: Annotated[float | None, typer.Option(help="How long it lasts; each kind has a usual time.")] = None,
    status: Annotated[int | None, typer.Option(help="Of a server_error.")] = None,
    when: Annotated[When | None, typer.Option(help="Of a disconnect or a server_error: before or after.")] = None,
    starts: Annotated[float, typer.Option(help="From how many seconds after now.")] = 0.0,
    ends: Annotated[float | None, typer.Option(help="Until how many seconds after now; for ever if not told.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed strikes the same requests.")] = 1,
    add: Annotated[bool, typer.Option("--add", help="Keep the rules in force; counting starts anew.")] = False,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="A whole plan in place of one rule; - reads it from here.")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Put a plan in force in place of the former one: one rule by options, or many from a file."""
    if (plan is None) == (provider is None and kind is None):
        wrong_usage("Say either --provider and --kind, or --plan FILE.json.")
    if plan is not None:
        wanted = _read(plan)
    elif provider is None or kind is None:
        wrong_usage("A rule needs both --provider and --kind: `pilar sandbox faults list` names them.")
    else:
        values = (provider, direction, kind, path, probability, most, seconds, status, when, starts, ends)
        wanted = {"seed": seed, "rules": [dict(zip(RULE, values, strict=True))]}
    if add:
        former = ask("GET", "faults", url)["rules"]
        kept_rules = [{name: rule[name] for name in RULE} for rule in former]
        wanted = wanted | {"rules": kept_rules + list(wanted["rules"])}
    _tell(ask("PUT", "faults", url, json=wanted), as_json)


@app.command("random")
def draw(
    seed: Annotated[int, typer.Option(help="Which plan is drawn.")],
    intensity: Annotated[float, typer.Option(help="From above 0 (now and then) to 1 (every third or so).")] = 0.5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan as JSON and set nothing.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Draw a mixed plan for all providers that can be recovered from, and put it in force."""
    from provider_sandbox.faults.draw import draw_plan

    try:
        wanted = draw_plan(seed, intensity).document()
    except ValueError as error:
        wrong_usage(str(error))
    if dry_run:
        answer_json(wanted)
    else:
        _tell(ask("PUT", "faults", url, json=wanted), as_json)


@app.command("show")
def show(url: Url = None, as_json: Json = False) -> None:
    """Show the plan in force, and how often each rule fitted and struck."""
    _tell(ask("GET", "faults", url), as_json)


@app.command("clear")
def clear(url: Url = None, as_json: Json = False) -> None:
    """End the plan; webhooks that it holds back go out at once."""
    ended = ask("DELETE", "faults", url)
    if as_json:
        answer_json(ended)
    elif ended["seed"] is None:
        answer("No plan is in force.")
    else:
        answer(f"Every provider behaves again; the plan of seed {ended['seed']} struck {ended['struck']} times.")


def _read(path: Path) -> dict[str, Any]:
    """A plan from a file, or from standard input."""
    text = sys.stdin.read() if str(path) == "-" else path.read_text()
    try:
        content = json.loads(text)
    except ValueError as error:
        wrong_usage(f"{path} is no JSON: {error}.")
    if not isinstance(content, dict) or not isinstance(content.get("rules"), list):
        wrong_usage(f'{path} is no plan: it is to be {{"seed": 7, "rules": [{{"provider": …, "kind": …}}]}}.')
    return content


def _tell(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        answer_json(told)
        return
    if told["seed"] is None:
        answer("No plan is in force: every provider behaves.")
        return
    rows = [_row(position, rule) for position, rule in enumerate(told["rules"], start=1)]
    head = ("Rule", "Provider", "Befalls", "Kind", "Where", "How", "Fitted", "Struck")
    show_table(head, rows, nothing="The plan has no rules.")
    answer(f"Seed {told['seed']}, set {told['age']:.0f} seconds ago; struck {told['struck']} times.")


def _row(position: int, rule: dict[str, Any]) -> list[str]:
    how = [f"{rule['probability']:.0%}"]
    how += [f"{rule['most']} times at most"] if rule["most"] is not None else []
    how += [f"{rule['seconds']:g} s"] if rule["seconds"] is not None else []
    how += [str(rule[name]) for name in ("status", "when") if rule[name] is not None]
    if rule["starts"] or rule["ends"] is not None:
        how.append(f"from {rule['starts']:g} s" + (f" to {rule['ends']:g} s" if rule["ends"] is not None else ""))
    counts = [str(rule["seen"]), str(rule["struck"])]
    return [str(position), rule["provider"], rule["direction"], rule["kind"], rule["path"], ", ".join(how), *counts]
