"""What a person is told about a simulated fleet. What belongs here: tables from an outcome; no figure is made here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilar_cli.console import answer, show_table
from pilar_cli.fleet.outcome import FleetOutcome

_TAKEN_IN = {
    "played": "Everything planned was played, or its studio never came to be ready",
    "payments": "Every payment was noticed",
    "studios": "Every studio works, has left, or waits for its owner",
    "webhooks": "Every webhook was taken in, each once",
    "messages": "Every message of a lead was taken in, and every message of ours is settled",
    "self_referrals": "Who referred themself earns nothing",
    "left_alone": "Who wants no messages gets none",
    "work": "No work is left and none was given up",
}


def print_timeline(counts: Mapping[str, int], rates: Sequence[Mapping[str, Any]]) -> None:
    """What would be played."""
    show_table(("Event", "Times"), [[_words(kind), str(many)] for kind, many in sorted(counts.items())])
    _print_rates(rates)


def print_outcome(outcome: FleetOutcome) -> None:
    """Everything that came of it."""
    kinds = sorted({*outcome.planned, *outcome.played})
    rows = [[_words(kind), str(outcome.planned.get(kind, 0)), str(outcome.played.get(kind, 0))] for kind in kinds]
    show_table(("Event", "Planned", "Played"), rows)
    _print_rates(outcome.rates)
    lived = outcome.life
    show_table(
        ("Effects", ""),
        [
            ["studios active, of those that paid", f"{outcome.active} of {outcome.signed_up}"],
            ["studios that left or don't pay, and are off", str(outcome.ended)],
            ["messages in, out", f"{lived.messages_in}, {lived.messages_out}"],
            ["replies; seconds to the provider: one half, 95 of 100", _replies(outcome)],
            ["answered by a person", str(lived.answered_by_staff)],
            ["nudges as text, as template", f"{lived.nudges_as_text}, {lived.nudges_as_template}"],
            ["nudges refused, by reason", _counted(lived.nudges_refused)],
            ["nudges too late to be sent", str(lived.nudges_late)],
            ["signups by a link", _counted(outcome.conversions)],
            ["events that waited for their studio", str(outcome.late)],
            ["webhooks that a plan of faults has lost", str(outcome.lost)],
            *[[f"{one.studio} waits on {one.waits_on}", one.reason] for one in outcome.unready],
            *[[f"{studio}: never played, as it was not ready", str(many)] for studio, many in outcome.unplayed.items()],
        ],
    )
    if outcome.refused:
        rows = [[_words(one["kind"]), one["reason"], str(one["times"])] for one in outcome.refused]
        show_table(("Could not be played", "Why", "Times"), rows)
    rows = [
        [one.provider, str(one.answered), str(one.different), str(one.kept), str(one.duplicates_dropped)]
        for one in outcome.deliveries
    ]
    show_table(("Webhooks in", "Answered 200", "Different", "Kept", "Duplicates dropped"), rows, nothing="No webhook.")
    rows = [[one.recorded_as or one.seen_as or "", str(one.recorded), str(one.seen)] for one in outcome.effects]
    show_table(("Effects out", "On our record", "Counted there"), rows, nothing="No effect.")
    rows = [["yes" if holds else "NO", _TAKEN_IN[name]] for name, holds in outcome.taken_in.items()]
    show_table(("", "Taken in"), rows)
    answer(f"{sum(outcome.played.values())} events in {outcome.days} days took {outcome.seconds:.0f} seconds.")


def _print_rates(rates: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        [
            str(one["rate"]),
            str(one["per"]),
            f"{one['asked']:g}",
            "" if one["seen"] is None else f"{one['seen']:g}",
            str(one["draws"]),
            str(one["why"]),
        ]
        for one in rates
    ]
    show_table(("Rate", "Per", "Asked", "Seen", "Draws", "Why"), rows)


def _replies(outcome: FleetOutcome) -> str:
    lived = outcome.life
    if lived.reply_p50 is None or lived.reply_p95 is None:
        return "none"
    return f"{lived.replies}: {lived.reply_p50:.2f}, {lived.reply_p95:.2f}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{_words(name)} {many}" for name, many in sorted(counts.items())) or "none"


def _words(name: str) -> str:
    return name.replace("_", " ")
