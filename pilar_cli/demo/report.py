"""What a person is told at the end. What belongs here: tables from an outcome; no figure is made here."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from pilar_cli.demo.outcome import Outcome, Spread

_WIDTH = 120
"""Of a file, which has none: wide enough that nothing is cut."""

_HAPPENED = {
    "signups": "Studios were paid for",
    "studios_active": "All of them became active, without anybody's help",
    "orchestrated": "Dagster scored all of them in one run, and its checks passed",
    "seen_by_founder": "The founder signed in and saw them; Dagster is behind the same session",
}


def print_report(outcome: Outcome, ways: Mapping[str, str]) -> None:
    """The whole outcome, then where to go and how to get in."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    console.print()
    console.print(_summary(outcome))
    console.print(_times(outcome))
    console.print(_deliveries(outcome))
    console.print(_effects(outcome))
    width = max(len(name) for name in ways)
    for name, value in ways.items():
        # Never broken into lines: links are copied.
        print(f"  {name:<{width}}  {value}", flush=True)


def _summary(outcome: Outcome) -> Table:
    table = Table("", "What happened", "", box=None, pad_edge=False)
    for name, words in _HAPPENED.items():
        table.add_row("yes" if outcome.happened[name] else "NO", words, _detail(outcome, name))
    return table


def _detail(outcome: Outcome, name: str) -> str:
    if name == "signups":
        return str(outcome.signups)
    if name == "studios_active":
        return f"{outcome.active} of {outcome.signups}"
    if name == "orchestrated":
        checks = f"; checks that failed: {', '.join(outcome.failed_checks)}" if outcome.failed_checks else ""
        status = (outcome.run_status or "no run").lower()
        return f"{outcome.materialized} of {outcome.partitions} partitions, {status}{checks}"
    return f"{outcome.seen_active} of {outcome.signups}"


def _times(outcome: Outcome) -> Table:
    table = Table("Time to active, seconds", "Median", "Slowest")
    if outcome.to_active:
        table.add_row("from payment to active", *_spread(outcome.to_active), end_section=True)
    for name, spread in outcome.steps.items():
        table.add_row(name.replace("_", " "), *_spread(spread))
    by_party: dict[str, list[float]] = {}
    for wait in outcome.waits:
        by_party.setdefault(wait.on, []).append(wait.seconds)
    for party, seconds in by_party.items():
        spread_of_waits = Spread.of(seconds)
        if spread_of_waits:
            table.add_row(f"of which waiting on {party} ({len(seconds)} times)", *_spread(spread_of_waits))
    return table


def _spread(spread: Spread) -> tuple[str, str]:
    return f"{spread.median:.2f}", f"{spread.slowest:.2f}"


def _deliveries(outcome: Outcome) -> Table:
    table = Table("Deliveries in", "Answered 200", "Kept", "Duplicates dropped")
    for one in outcome.deliveries:
        table.add_row(one.provider, str(one.answered), str(one.kept), str(one.duplicates_dropped))
    return table


def _effects(outcome: Outcome) -> Table:
    table = Table("Effects out", "On our record", "As the provider calls it", "Counted there", "")
    for one in outcome.effects:
        table.add_row(
            one.recorded_as or "(no effect of ours)",
            str(one.recorded) if one.recorded_as else "",
            one.seen_as or "(not counted there)",
            str(one.seen) if one.seen_as else "",
            "" if one.agree else "DIFFERENT",
        )
    return table
