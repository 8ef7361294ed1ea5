"""What rules are worth: counts out of firings, rates out of counts, the same rows whoever asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from pilar.agents.analytics import rates
from pilar.agents.analytics_store import refresh_rule_performance
from pilar.agents.overview import list_rules
from pilar.agents.trial_experiment import start_trial_experiment
from pilar.database.engine import Scope
from pilar.messaging import controls
from tests.agents.looking import assert_promises_hold
from tests.fixtures.opened import Studio, open_studio

OTHER = "+31687654321"
THIRD = "+31687654322"


def _frame(**changes: Any) -> pd.DataFrame:
    usual = {
        "workspace_id": "s", "rule_id": "r", "variant": "", "name": "prices", "matches": 4, "answered": 2, "refused": 1,
        "failed": 1, "successes": 1, "latency_ms": 300.0, "last_fired_at": None,
    }  # fmt: skip
    return pd.DataFrame([usual | changes])


def test_rates_are_shares_of_what_there_is() -> None:
    [row] = rates(_frame()).to_dict(orient="records")
    assert (row["success_rate"], row["avg_latency_ms"]) == (0.25, 150.0)
    [row] = rates(_frame(matches=0, answered=0, refused=0, failed=0, successes=0)).to_dict(orient="records")
    assert pd.isna(row["success_rate"])
    assert pd.isna(row["avg_latency_ms"])


@pytest.mark.parametrize("wrong", [{"answered": 4}, {"successes": 5}])
def test_counts_that_contradict_each_other_are_not_told(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="more answers or successes than matches"):
        rates(_frame(**wrong))


def _measured(studio: Studio) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (row.name, row.variant): tuple(row)[2:]
        for row in studio.system.rows(
            "select name, variant, matches, answered, refused, failed, successes from analytics.rule_performance"
            f" where workspace_id = '{studio.id}' and (matches > 0 or variant <> '')"
        )
    }


def test_rules_are_measured_by_what_leads_did_afterwards(studio: Studio) -> None:
    system, other = studio.system, open_studio(studio.system, "Studio Zuid")
    studio.writes("Wat kost het?")
    studio.writes("Bedankt!")  # a reply
    studio.writes("Wat kost het?", sender=OTHER)
    studio.writes("STOP", sender=OTHER)  # an opt-out is none
    studio.writes("Wat kost het?", sender=THIRD)
    system.travel_to(system.business.now() + timedelta(hours=25))
    studio.writes("Kan ik een proeftraining doen?", sender=THIRD)  # too late to be a reply to that
    studio.writes("Ja", sender=THIRD)
    other.writes("Wat kost het?")
    studio.run(refresh_rule_performance, [studio.id])
    assert _measured(studio) == {
        ("prices", ""): (3, 3, 0, 0, 1),
        ("thanks", ""): (1, 0, 0, 0, 0),
        ("trial", ""): (1, 1, 0, 0, 1),
        ("accept", ""): (1, 1, 0, 0, 1),
    }
    assert _measured(other) == {}
    rows = system.rows("select * from analytics.rule_performance order by rule_id, variant")
    assert len(rows) == 7
    studio.run(refresh_rule_performance, [studio.id])
    again = system.rows("select * from analytics.rule_performance order by rule_id, variant")
    assert [row[:-1] for row in again] == [row[:-1] for row in rows]
    with system.database.transaction(Scope.workspace(studio.id)) as connection:
        views = list_rules(connection, studio.id)
    assert [view.name for view in views] == [
        "accept", "coach", "trial", "prices", "opening_hours", "thanks", "greeting",
    ]  # fmt: skip
    prices = views[3].performance[0]
    assert prices.success_rate == pytest.approx(1 / 3)
    assert prices.avg_latency_ms is not None
    assert 0 < prices.avg_latency_ms < 60_000
    assert_promises_hold(system)


def test_variants_are_measured_apart_and_refusals_are_counted(studio: Studio) -> None:
    system = studio.system
    studio.run(refresh_rule_performance, [studio.id])
    studio.run(start_trial_experiment, "admin:test")
    senders = [f"+3168765432{number}" for number in range(6)]
    for sender in senders:
        system.sandbox.receive_whatsapp(to=studio.number, sender=sender, text="Kan ik een proeftraining doen?")
    system.settle()
    studio.run(controls.begin, "pause", workspace_id=studio.id, channel=None, reason="drill", actor="test")
    studio.writes("Wat kost het?", sender=senders[0])
    studio.run(refresh_rule_performance, [studio.id])
    measured = _measured(studio)
    met = dict(system.rows("select variant, count(*) from experiment_exposure group by 1"))
    assert {variant: measured["trial", variant][0] for variant in met} == met
    assert measured["prices", ""] == (1, 0, 0, 0, 0)  # held back: neither answered nor refused
    assert system.column("select variant from analytics.rule_performance where name = 'trial' order by 1") == sorted(
        met
    )
