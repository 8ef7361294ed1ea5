"""What a person is told at the end. What belongs here: tables from an outcome; no figure is made here."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from pilar.money import Money
from pilar_cli.demo.outcome import Outcome, Spread

CURRENCY = "EUR"
"""What the simulated plans cost."""
_WIDTH = 120
"""Of a file, which has none: wide enough that nothing is cut."""

_HAPPENED = {
    "signups": "Studios were paid for",
    "studios_active": "All of them became active, without anybody's help",
    "messages_answered": "Leads wrote in and were answered; who said stop was left alone, who wanted a person got one",
    "nudged": "Nudges went out as text, as template, and not at night",
    "experiment_decided": "Two answers to the same question were tried, and one was found better",
    "commission_paid_to_the_cent": "An affiliate earned a commission, and a refund took its share back",
    "orchestrated": "Dagster made every studio's figures in one run, and all checks passed",
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
    console.print(_day(outcome))
    console.print(_materialized(outcome))
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
    lived = outcome.life
    details = {
        "messages_answered": f"{lived.replies} replies to {lived.leads} leads",
        "nudged": f"{lived.nudges_as_text + lived.nudges_as_template} sent",
        "experiment_decided": lived.experiment[0]["decision"].replace(":", " ") if lived.experiment else "",
        "commission_paid_to_the_cent": f"{Money(lived.ledger.get('payable', 0), CURRENCY)} payable",
        "seen_by_founder": f"{outcome.seen_active} of {outcome.signups}",
    }
    return details[name]


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


def _day(outcome: Outcome) -> Table:
    """What the day came to."""
    lived = outcome.life
    table = Table("A day's life", "")
    table.add_row("leads who wrote", str(lived.leads))
    table.add_row("messages in, out", f"{lived.messages_in}, {lived.messages_out}")
    table.add_row("replies; seconds from our door to the provider: one half, 95 of 100", _replies(outcome))
    table.add_row("answered by a person", str(lived.answered_by_staff))
    table.add_row("messages to who had said stop", str(lived.written_after_stop))
    table.add_row("nudges as text, as template", f"{lived.nudges_as_text}, {lived.nudges_as_template}")
    refused = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in sorted(lived.nudges_refused.items()))
    table.add_row("nudges refused, by reason", refused or "none")
    if lived.nudges_late:
        table.add_row("nudges too late to be sent", str(lived.nudges_late))
    for reason in lived.experiment[0]["reasons"] if lived.experiment else ("no experiment",):
        table.add_row("experiment", reason)
    table.add_row("commission earned, taken back, payable", _money(outcome))
    return table


def _replies(outcome: Outcome) -> str:
    lived = outcome.life
    if lived.reply_p50 is None or lived.reply_p95 is None:
        return "none"
    return f"{lived.replies}: {lived.reply_p50:.2f}, {lived.reply_p95:.2f}"


def _money(outcome: Outcome) -> str:
    lived = outcome.life
    amounts = (lived.earned_minor, lived.clawed_back_minor, lived.ledger.get("payable", 0))
    return ", ".join(str(Money(amount, CURRENCY)) for amount in amounts)


def _materialized(outcome: Outcome) -> Table:
    table = Table("Asset in Dagster", "Materialised: studios, or 1")
    for asset, count in sorted(outcome.life.materialized.items()):
        table.add_row(asset, str(count))
    return table


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
