from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import phonenumbers
import pytest

from pilar_cli.demo.figures import StepTimes, Studio
from pilar_cli.demo.outcome import EffectCount, Outcome, Spread, compare_deliveries, compare_effects, grown, times
from pilar_cli.demo.studios import COUNTRIES, PLANS, visitors

PAID = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def told() -> Outcome:
    """One in which everything happened."""
    return Outcome(
        seed=1,
        with_worker=True,
        signups=2,
        active=2,
        run_status="SUCCESS",
        materialized=2,
        partitions=2,
        seen_active=2,
        dagster_behind_session=True,
        dagster_kept_out=True,
    )


def test_it_is_complete_when_all_four_things_happened() -> None:
    assert told().is_complete
    assert told().as_json()["complete"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"signups": 0},
        {"active": 1},
        {"run_status": "FAILURE"},
        {"run_status": None},
        {"materialized": 1},
        {"failed_checks": ["workspace_health_score:every_studio_was_scored"]},
        {"seen_active": 1},
        {"dagster_behind_session": False},
        {"dagster_kept_out": False},
        {"failure": "It was stopped."},
    ],
    ids=str,
)
def test_it_is_not_complete_when_one_of_them_did_not(change: dict[str, object]) -> None:
    assert not replace(told(), **change).is_complete


def step(name: str, begins: float, ends: float | None) -> StepTimes:
    return StepTimes(
        name,
        "completed" if ends else "in_progress",
        PAID + timedelta(seconds=begins),
        PAID + timedelta(seconds=ends) if ends else None,
        None,
        None,
        None,
        None,
    )


def studio(subscription: str, state: str, *steps: StepTimes) -> Studio:
    return Studio(subscription, UUID(int=1), state, steps)


def test_times_are_from_the_payment_to_the_last_step_and_of_each_step() -> None:
    quick = studio("a", "active", step("create", 1, 2), step("activate", 2, 4))
    slow = studio("b", "active", step("create", 1, 4), step("activate", 4, 10))
    unfinished = studio("c", "provisioning", step("create", 1, 3), step("activate", 3, None))
    whole, steps = times([quick, slow, unfinished], dict.fromkeys("abc", PAID))
    assert whole == Spread(7, 10)
    assert steps == {"create": Spread(2, 3), "activate": Spread(4, 6)}


def test_a_studio_is_active_when_it_says_so_and_all_its_steps_are_done() -> None:
    assert studio("a", "active", step("create", 1, 2)).is_active
    assert not studio("a", "active", step("create", 1, None)).is_active
    assert not studio("a", "provisioning", step("create", 1, 2)).is_active
    assert not studio("a", "active").is_active


def test_effects_stand_side_by_side_and_differences_show() -> None:
    counted = compare_effects({"twilio.buy_number": 2, "odd.thing": 1}, {"twilio.number_bought": 3, "meta.other": 4})
    assert EffectCount("twilio.buy_number", "twilio.number_bought", 2, 3) in counted
    assert [one for one in counted if not one.agree] == [
        EffectCount("twilio.buy_number", "twilio.number_bought", 2, 3),
        EffectCount("odd.thing", None, 1, 0),
    ]
    assert EffectCount(None, "meta.other", 0, 4).agree


def test_duplicates_are_what_was_answered_and_left_no_row() -> None:
    stripe, whatsapp = compare_deliveries({"stripe": 5}, {"stripe": 4}, {"stripe": 4, "whatsapp": 1})
    assert (stripe.answered, stripe.kept, stripe.duplicates_dropped) == (5, 4, 1)
    assert (whatsapp.answered, whatsapp.kept) == (0, 1)


def test_only_what_was_added_counts() -> None:
    assert grown({"a": 3, "b": 2, "c": 1}, {"a": 1, "b": 2}) == {"a": 2, "c": 1}


def test_people_are_of_many_kinds_and_the_same_for_one_seed() -> None:
    people = visitors(12, seed=7)
    assert people == visitors(12, seed=7)
    assert people != visitors(12, seed=8)
    assert {one.country for one in people} == set(COUNTRIES)
    assert {one.plan for one in people} == set(PLANS)
    assert len({one.studio for one in people}) == len({one.email for one in people}) == 12
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(one.phone)) for one in people)
