from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import phonenumbers
import pytest

from pilar_cli.demo.day import BEGINS, first_saturday
from pilar_cli.demo.figures import StepTimes, Studio
from pilar_cli.demo.life import Life
from pilar_cli.demo.outcome import EffectCount, Outcome, Spread, compare_deliveries, compare_effects, grown, times
from pilar_cli.demo.people import TRIALS_AT_LEAST, writers
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
        life=lived(),
    )


def lived(**changes: object) -> Life:
    """A day on which everything happened."""
    usual = Life(
        replies=3,
        answered_by_staff=1,
        nudges_as_text=2,
        nudges_as_template=1,
        nudges_refused={"quiet_hours": 1},
        experiment=[{"decision": "adopt:offer"}],
        ledger={"programme_expense": -80, "held": 0, "payable": 80},
        earned_minor=100,
        clawed_back_minor=20,
    )
    return replace(usual, **changes)


def test_it_is_complete_when_everything_happened() -> None:
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
        {"failed_checks": ["fleet_health:reservations_add_up"]},
        {"life": lived(replies=0)},
        {"life": lived(unsettled=1)},
        {"life": lived(answered_by_staff=0)},
        {"life": lived(written_after_stop=1)},
        {"life": lived(nudges_as_template=0)},
        {"life": lived(nudges_refused={"budget": 1})},
        {"life": lived(experiment=[{"decision": "keep_running"}])},
        {"life": lived(clawed_back_minor=0)},
        {"life": lived(ledger={"programme_expense": -79, "held": 0, "payable": 80})},
        {"seen_active": 1},
        {"dagster_behind_session": False},
        {"dagster_kept_out": False},
        {"failure": "It was stopped."},
    ],
    ids=str,
)
def test_it_is_not_complete_when_one_of_them_did_not(change: dict[str, object]) -> None:
    assert not replace(told(), **change).is_complete


def test_without_a_worker_nudges_may_come_too_late_to_be_sent_and_with_one_they_may_not() -> None:
    late = lived(nudges_as_text=0, nudges_as_template=0, nudges_late=3)
    assert replace(told(), life=late, with_worker=False).is_complete
    assert not replace(told(), life=late, with_worker=True).is_complete


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
    mails = compare_effects({"mail.setup_link": 2, "mail.owner_notice": 1}, {"mail.sent": 3})
    assert EffectCount("mail", "mail.sent", 3, 3) in mails
    assert all(one.agree for one in mails)


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


def test_everybody_writes_once_and_each_delivery_holds_one_of_each_studio() -> None:
    deliveries = writers([("+31200001111", "NL"), ("+4420001111", "GB")], seed=7)
    assert deliveries == writers([("+31200001111", "NL"), ("+4420001111", "GB")], seed=7)
    assert all([one.to for one in some] == ["+31200001111", "+4420001111"] for some in deliveries)
    everybody = [one for some in deliveries for one in some]
    assert len({(one.to, one.sender) for one in everybody}) == len(everybody)
    assert sum(one.persona == "trial" for one in everybody) >= TRIALS_AT_LEAST
    assert {one.language for one in everybody if one.to == "+31200001111"} == {"nl", "en"}


def test_the_day_is_a_saturday_that_has_not_been() -> None:
    for hours in range(0, 24 * 8, 5):
        after = PAID + timedelta(hours=hours)
        found = first_saturday(after)
        assert found >= after
        assert found - after <= timedelta(days=7)
        assert (found.weekday(), found.hour) == (5, BEGINS.seconds // 3600)
