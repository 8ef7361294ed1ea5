"""What strikes is a matter of the seed and of what was asked before, and of nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilar.clocks import ManualClock
from provider_sandbox.faults.draw import LASTS_SECONDS, LONGEST_OUTAGE, TOLD_OTHERWISE, draw_plan
from provider_sandbox.faults.plan import (
    DEFAULT_SECONDS,
    PROVIDERS,
    REQUEST_KINDS,
    WEBHOOK_KINDS,
    Plan,
    Rule,
    Strike,
    decide,
    problem_of,
    shape_of,
)
from provider_sandbox.faults.requests import addressed
from provider_sandbox.faults.store import Faults
from provider_sandbox.state import State
from provider_sandbox.testing import RunningSandbox

WHAT = "GET /v1/prices"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rule(**changes: Any) -> Rule:
    return Rule(**{"provider": "stripe", "direction": "request", "kind": "server_error"} | changes)


def strike(plan: Plan, count: int, **changes: Any) -> Strike | None:
    about = {"provider": "stripe", "direction": "request", "path": "/v1/prices", "what": WHAT, "age": 0.0} | changes
    return decide(plan, [0] * len(plan.rules), count=count, **about)


def opened(directory: Path, clock: ManualClock) -> tuple[State, Faults]:
    state = State(directory, clock, lambda: None)
    return state, Faults(state)


@given(seed=st.integers(-(2**63), 2**63 - 1), probability=st.floats(0, 1), counts=st.lists(st.integers(0, 10**9)))
def test_the_same_seed_and_the_same_sequence_bring_the_same_strikes(
    seed: int, probability: float, counts: list[int]
) -> None:
    plan = Plan(seed, (rule(probability=probability), rule(kind="disconnect", probability=probability)))
    again = Plan(seed, tuple(Rule(**described) for described in plan.document()["rules"]))

    assert [strike(plan, count) for count in counts] == [strike(again, count) for count in counts]


@settings(max_examples=40)
@given(seed=st.integers(), probability=st.sampled_from([0.01, 0.1, 0.3, 0.5, 0.9]))
def test_the_probability_is_honoured(seed: int, probability: float) -> None:
    tries = 2_000
    plan = Plan(seed, (rule(probability=probability),))
    struck = sum(strike(plan, count) is not None for count in range(tries))

    # Six times the standard deviation: one sequence in 500 million is further off.
    assert abs(struck - tries * probability) < 6 * (tries * probability * (1 - probability)) ** 0.5


def test_never_and_always_are_never_and_always() -> None:
    assert not any(strike(Plan(1, (rule(probability=0.0),)), count) for count in range(500))
    assert all(strike(Plan(1, (rule(probability=1.0),)), count) for count in range(500))


def test_seeds_rules_and_requests_each_have_a_lot_of_their_own() -> None:
    def strikes(plan: Plan, **changes: Any) -> list[bool]:
        return [strike(plan, count, **changes) is not None for count in range(64)]

    half = rule(probability=0.5)
    lots = [
        strikes(Plan(1, (half,))),
        strikes(Plan(2, (half,))),
        strikes(Plan(1, (rule(kind="slow", probability=0.5),))),
        strikes(Plan(1, (rule(kind="outage", probability=0.0), half))),
        strikes(Plan(1, (half,)), what="POST /v1/prices"),
    ]
    assert len({tuple(lot) for lot in lots}) == len(lots)


def test_a_disconnect_comes_before_and_after_the_deed_by_the_seed() -> None:
    plan = Plan(3, (rule(kind="disconnect"),))
    sides = [found.when for count in range(200) if (found := strike(plan, count))]

    assert 60 < sides.count("before") < 140
    assert sides.count("before") + sides.count("after") == 200
    for when in ("before", "after"):
        told = [strike(Plan(3, (rule(kind="disconnect", when=when),)), count) for count in range(20)]
        assert {found.when for found in told if found} == {when}


def test_the_first_rule_that_strikes_decides() -> None:
    plan = Plan(1, (rule(provider="meta"), rule(path="/v1/refunds"), rule(kind="slow"), rule()))

    assert [found.index for count in range(3) if (found := strike(plan, count))] == [2, 2, 2]


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/subscriptions/sub_0123456789abcdef01234567", "/v1/subscriptions/{id}"),
        ("/v1/subscription_items", "/v1/subscription_items"),
        (
            "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/IncomingPhoneNumbers.json",
            "/2010-04-01/Accounts/{id}/IncomingPhoneNumbers.json",
        ),
        ("/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef.json", "/2010-04-01/Accounts/{id}.json"),
        ("/123456789012345/message_templates", "/{id}/message_templates"),
        ("/oauth/access_token", "/oauth/access_token"),
        ("owner@studio.example", "owner@studio.example"),
    ],
)
def test_ids_that_differ_from_run_to_run_do_not_count(path: str, shape: str) -> None:
    assert shape_of(path) == shape


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/stripe/v1/prices", ("stripe", "/v1/prices")),
        ("/meta/v23.0/123/messages", ("meta", "/123/messages")),
        ("/twilio/2010-04-01/Accounts.json", ("twilio", "/2010-04-01/Accounts.json")),
        ("/groq/openai/v1/chat/completions", ("groq", "/openai/v1/chat/completions")),
        ("/anthropic/v1/messages", ("anthropic", "/v1/messages")),
        ("/control/effects", None),
        ("/", None),
    ],
)
def test_a_path_leads_to_its_provider_and_the_sandbox_itself_never_misbehaves(
    path: str, meant: tuple[str, str] | None
) -> None:
    assert addressed(path) == meant


def test_counts_survive_a_restart_and_a_run_goes_on_as_it_would_have(tmp_path: Path) -> None:
    plan = Plan(11, (rule(probability=0.4, most=9),))
    clock = ManualClock(NOW)
    paths = [f"/v1/customers/cus_{number:024d}" for number in range(40)]

    def run(directory: Path, restart_at: int) -> tuple[list[bool], dict[str, Any]]:
        state, faults = opened(directory, clock)
        faults.begin(plan)
        struck = []
        for number, path in enumerate(paths):
            if number == restart_at:
                state.close()
                state, faults = opened(directory, clock)
            struck.append(faults.strike_request("stripe", "GET", path) is not None)
        told = faults.told()
        state.close()
        return struck, told

    without, told = run(tmp_path / "one", -1)
    interrupted, told_again = run(tmp_path / "two", 17)
    assert without == interrupted
    assert told == told_again
    assert told["struck"] == 9 == sum(without)
    assert told["rules"][0]["seen"] == 40


def test_a_rule_holds_from_its_start_to_its_end(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    state, faults = opened(tmp_path, clock)
    faults.begin(Plan(1, (rule(kind="outage", starts=5.0, ends=8.0),)))

    struck = []
    for _second in range(10):
        struck.append(faults.strike_request("stripe", "GET", "/v1/prices") is not None)
        clock.advance(timedelta(seconds=1))
    assert struck == [False] * 5 + [True] * 3 + [False] * 2
    state.close()


def test_the_time_of_a_rule_changes_nothing_about_what_strikes_within_it(tmp_path: Path) -> None:
    """How quick the machine is must not shift the lots of what comes later."""
    clock = ManualClock(NOW)
    state, faults = opened(tmp_path, clock)
    lots = []
    for starts in (0.0, 3.0):
        faults.begin(Plan(5, (rule(probability=0.5, starts=starts),)))
        struck = []
        for _second in range(40):
            struck.append(faults.strike_request("stripe", "GET", "/v1/prices") is not None)
            clock.advance(timedelta(seconds=1))
        lots.append(struck)
    assert lots[0][3:] == lots[1][3:]
    assert not any(lots[1][:3])
    state.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"provider": "paypal"}, "'paypal' is no provider that is known here: it is one of stripe, twilio"),
        ({"direction": "sideways"}, "say request or webhook"),
        ({"direction": "webhook"}, "it is one of delay, drop"),
        (
            {"direction": "webhook", "provider": "mail", "kind": "drop"},
            "'mail' sends no webhooks: it is one of stripe, twilio, meta",
        ),
        ({"kind": "flood"}, "it is one of accept_then_timeout"),
        ({"probability": 1.5}, "outside of 0 to 1"),
        ({"probability": float("nan")}, "outside of 0 to 1"),
        ({"most": 0}, "say 1 or more"),
        ({"seconds": -1.0}, "can't be negative"),
        ({"seconds": float("inf")}, "finite"),
        ({"starts": 4.0, "ends": 4.0}, "before it starts"),
        ({"kind": "slow", "status": 500}, "is that of a server_error"),
        ({"status": 200}, "from 400 to 599"),
        ({"when": "after", "kind": "slow"}, "of a disconnect or a server_error only"),
    ],
)
def test_a_rule_that_makes_no_sense_is_told_what_would(changes: dict[str, Any], words: str) -> None:
    problem = problem_of(rule(**changes))
    assert problem is not None
    assert words in problem


@given(seed=st.integers(-(2**63), 2**63 - 1), intensity=st.floats(0.01, 1))
def test_a_drawn_plan_reaches_every_provider_and_can_be_recovered_from(seed: int, intensity: float) -> None:
    plan = draw_plan(seed, intensity)

    assert plan == draw_plan(seed, intensity)
    assert {one.provider for one in plan.rules} == set(PROVIDERS)
    assert {one.provider for one in plan.rules if one.direction == "webhook"} == {"stripe", "twilio", "meta"}
    for one in plan.rules:
        assert problem_of(one) is None
        assert one.ends is not None
        assert one.ends <= LASTS_SECONDS
        assert one.most is not None
        if one.kind == "outage":
            assert one.ends - one.starts <= LONGEST_OUTAGE
        if one.kind in DEFAULT_SECONDS:
            assert one.lasts <= 1.0
        if one.kind == "drop":
            assert one.path in TOLD_OTHERWISE[one.provider]
        if one.provider == "mail" and one.kind == "server_error":
            assert (one.status, one.when) == (451, None)


def test_every_kind_is_drawn_for_some_seed() -> None:
    drawn = {(one.direction, one.kind) for seed in range(30) for one in draw_plan(seed).rules}

    assert drawn == {("request", kind) for kind in REQUEST_KINDS} | {("webhook", kind) for kind in WEBHOOK_KINDS}


@pytest.mark.parametrize("intensity", [0.0, -1.0, 1.1, float("nan")])
def test_an_intensity_out_of_bounds_is_refused(intensity: float) -> None:
    with pytest.raises(ValueError, match="not above 0"):
        draw_plan(1, intensity)


def test_a_drawn_plan_is_taken_as_it_is(sandbox: RunningSandbox) -> None:
    plan = draw_plan(4, 1.0)
    told = sandbox.set_faults(**plan.document())
    assert [described["kind"] for described in told["rules"]] == [one.kind for one in plan.rules]
    assert sandbox.faults()["seed"] == 4
    assert sandbox.clear_faults()["seed"] == 4
    assert sandbox.faults() == {"seed": None, "age": None, "struck": 0, "rules": []}


def test_a_plan_that_makes_no_sense_leaves_the_former_one_in_force(sandbox: RunningSandbox) -> None:
    sandbox.set_faults(3, [{"provider": "meta", "kind": "slow", "probability": 0}])
    wrong = {"seed": 1, "rules": [{"provider": "meta", "kind": "slow"}, {"provider": "meta", "kind": "drop"}]}
    answer = sandbox.client.put("/control/faults", json=wrong)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("Rule 2: A request knows no fault 'drop'")
    assert sandbox.faults()["seed"] == 3
