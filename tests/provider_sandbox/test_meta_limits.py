"""How many messages Meta lets through, at what pace, to how many people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pilar.clocks import ManualClock
from provider_sandbox.app import create_app
from provider_sandbox.meta.limits import MetaLimits, next_due
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from tests.provider_sandbox.conftest import told_by
from tests.provider_sandbox.graph import LEAD, STUDIO, Studio, connected, statuses, values
from tests.provider_sandbox.product import Product

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
TIERS = {"TIER_250": 4, "TIER_2K": 6}
Told = Callable[[], list[dict[str, Any]]]


def people(count: int, begin: int = 0) -> list[str]:
    return [f"+3161234{number:04d}" for number in range(begin, begin + count)]


def test_a_pace_lends_a_burst_and_takes_it_back():
    due, accepted = 0.0, []
    for tenth in range(6001):
        following = next_due(due, tenth / 10, 6.0, 45)
        if following is not None:
            due = following
            accepted.append(tenth / 10)
    # Tried ten times a second for ten minutes: 45 as fast as that, then one each six seconds.
    assert accepted[:45] == [number / 10 for number in range(45)]
    assert accepted[45] == pytest.approx(6.0)
    assert len(accepted) == 45 + 100


def test_tiers_come_one_after_the_other():
    limits = MetaLimits()
    assert [limits.size(tier) for tier in limits.names()] == [250, 2000, 10000, 100000, None]
    assert limits.above("TIER_250") == "TIER_2K"
    assert limits.above("TIER_UNLIMITED") is None


@contextmanager
def at_pace(directory: Path, **limits: Any) -> Iterator[tuple[Studio, ManualClock]]:
    """A studio in a sandbox whose real time stands still."""
    clock = ManualClock(START)
    config = sandbox_config(directory, meta_limits=MetaLimits(**limits))
    with TestClient(create_app(config, clock), follow_redirects=False) as client:
        yield connected(client, config), clock


def test_a_pair_is_given_one_message_in_six_seconds_and_a_burst(tmp_path: Path):
    with at_pace(tmp_path, pair_burst=3) as (studio, clock):
        assert [studio.code() for _ in range(4)] == [0, 0, 0, 131056]
        other = people(1)[0]
        assert studio.code(other) == 0
        clock.advance(timedelta(seconds=5))
        assert studio.code() == 131056
        clock.advance(timedelta(seconds=1))
        assert [studio.code(), studio.code()] == [0, 131056]
        clock.advance(timedelta(seconds=18))
        assert [studio.code() for _ in range(4)] == [0, 0, 0, 131056]


def test_a_number_sends_so_many_a_second_and_more_once_upgraded(tmp_path: Path):
    with at_pace(tmp_path, per_second=4, upgraded_per_second=6, pair_burst=100) as (studio, clock):
        assert [studio.code() for _ in range(5)] == [0, 0, 0, 0, 130429]
        clock.advance(timedelta(seconds=1))
        upgrade = {"number": STUDIO, "throughput": "HIGH"}
        studio.graph.client.put("/control/meta/numbers", json=upgrade).raise_for_status()
        assert [studio.code() for _ in range(7)] == [0] * 6 + [130429]


def test_a_week_has_ten_attempts_to_register(tmp_path: Path):
    with running_sandbox(sandbox_config(tmp_path, meta_limits=MetaLimits(registrations_a_week=3))) as sandbox:
        sandbox.set_clock(real_anchor=datetime.now(UTC), business_anchor=START, rate=0)
        studio = connected(sandbox.client, sandbox.config)
        graph, path = studio.graph, f"{studio.phone_id}/register"
        right, wrong = ({"messaging_product": "whatsapp", "pin": pin} for pin in ("123456", "654321"))

        sandbox.decide_on_number(STUDIO, status="DISCONNECTED")
        assert studio.code() == 133010
        assert graph.error("POST", path, json=wrong) == 133005
        assert graph.call("POST", path, json=right) == {"success": True}
        assert studio.code() == 0
        assert graph.call("POST", f"{studio.phone_id}/deregister") == {"success": True}
        assert graph.error("POST", f"{studio.phone_id}/deregister") == 133010
        assert graph.error("POST", path, json=right) == 133016

        sandbox.set_clock(real_anchor=datetime.now(UTC), business_anchor=START + timedelta(days=7, seconds=1), rate=0)
        assert graph.call("POST", path, json=right) == {"success": True}
        assert sandbox.effects_by_key()["meta.number_registered", STUDIO] == 3


def failures(bodies: list[dict[str, Any]]) -> dict[str, int]:
    return {one["recipient_id"]: one["errors"][0]["code"] for one in statuses(bodies) if one["status"] == "failed"}


def test_a_portfolio_reaches_so_many_people_in_a_moving_day_and_grows_with_use(tmp_path: Path, product: Product):
    config = sandbox_config(tmp_path, meta_limits=MetaLimits(tiers=TIERS, marketing_a_day=1))
    with running_sandbox(config) as sandbox:
        told = told_by(sandbox, product)
        real = datetime.now(UTC)
        sandbox.set_clock(real_anchor=real, business_anchor=START, rate=0)
        studio = connected(sandbox.client, config)
        graph = studio.graph
        graph.submit("reminder", "Tot straks!")
        graph.submit("offer", "Kom langs!", category="MARKETING")
        sandbox.wait_idle()
        everybody = people(8)

        sandbox.receive_whatsapp(to=STUDIO, sender=everybody[7], text="Hoi")
        for person in everybody[:5]:
            graph.send_template(studio.phone_id, person, "reminder")
        graph.send_template(studio.phone_id, everybody[0], "reminder")
        graph.send_template(studio.phone_id, everybody[7], "reminder")
        digits = [person.removeprefix("+") for person in everybody]
        assert failures(told()) == {digits[4]: 131048}, "in the window, and again to the same person, is not counted"

        # Half of the limit was used, so that six hours later it is raised.
        sandbox.set_clock(real_anchor=real, business_anchor=START + timedelta(hours=6), rate=0)
        (capability,) = values(told(), "business_capability_update")
        assert capability == {
            "max_daily_conversation_per_phone": 6,
            "max_daily_conversations_per_business": "TIER_2K",
            "max_phone_numbers_per_waba": 25,
        }
        (quality,) = values(told(), "phone_number_quality_update")
        assert (quality["event"], quality["old_limit"], quality["current_limit"]) == ("UPGRADE", "TIER_250", "TIER_2K")
        shown = graph.call("GET", studio.phone_id, params={"fields": "messaging_limit_tier"})
        assert shown["messaging_limit_tier"] == "TIER_2K"
        graph.send_template(studio.phone_id, everybody[4], "offer")
        graph.send_template(studio.phone_id, everybody[4], "offer")
        assert failures(told())[digits[4]] == 131049, "one marketing template a day"
        graph.send_template(studio.phone_id, everybody[5], "reminder")
        graph.send_template(studio.phone_id, everybody[6], "reminder")
        assert failures(told())[digits[6]] == 131048

        # A day after the first messages those four people count no longer.
        sandbox.set_clock(real_anchor=real, business_anchor=START + timedelta(hours=24, seconds=1), rate=0)
        before = len(statuses(told()))
        graph.send_template(studio.phone_id, everybody[6], "reminder")
        assert "failed" not in {status["status"] for status in statuses(told())[before:]}


def test_a_new_business_begins_where_the_sandbox_is_told(tmp_path: Path):
    with running_sandbox(sandbox_config(tmp_path, meta_tier="TIER_100K")) as sandbox:
        studio = connected(sandbox.client, sandbox.config)
        shown = studio.graph.call("GET", studio.graph.waba)
        assert shown["whatsapp_business_manager_messaging_limit"] == "TIER_100K"


def test_who_has_stopped_marketing_gets_what_is_no_marketing(sandbox: RunningSandbox, studio: Studio, told: Told):
    graph = studio.graph
    graph.submit("offer", "Kom langs!", category="MARKETING")
    graph.submit("reminder", "Tot straks!")
    sandbox.wait_idle()
    sandbox.set_preference(to=STUDIO, sender=LEAD)
    graph.send_template(studio.phone_id, LEAD, "offer")
    assert list(failures(told()).values()) == [131050]
    graph.send_template(studio.phone_id, LEAD, "reminder")
    sandbox.set_preference(to=STUDIO, sender=LEAD, value="resume")
    graph.send_template(studio.phone_id, LEAD, "offer")
    assert [status["status"] for status in statuses(told())].count("failed") == 1
    wishes = [value["user_preferences"][0]["value"] for value in values(told(), "user_preferences")]
    assert wishes == ["stop", "resume"]


def test_a_banned_or_restricted_business_is_refused_for_as_long_as_that_holds(
    sandbox: RunningSandbox, studio: Studio, told: Told
):
    real, waba = datetime.now(UTC), studio.graph.waba
    sandbox.set_clock(real_anchor=real, business_anchor=START, rate=0)
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hoi")
    stranger = people(1)[0]
    kinds = ["RESTRICTED_BIZ_INITIATED_MESSAGING", "RESTRICTED_ADD_PHONE_NUMBER_ACTION"]
    sandbox.decide_on_business(waba, restriction={"kinds": kinds, "hours": 2})
    assert (studio.code(), studio.code(stranger)) == (0, 368)
    number = {"cc": "31", "phone_number": "200005678", "verified_name": "Noord"}
    assert studio.graph.error("POST", f"{waba}/phone_numbers", json=number) == 368
    sandbox.set_clock(real_anchor=real, business_anchor=START + timedelta(hours=2), rate=0)
    assert studio.code(stranger) == 0

    sandbox.decide_on_business(waba, ban="DISABLE")
    assert studio.code() == 131031
    sandbox.decide_on_business(waba, ban="REINSTATE")
    assert studio.code() == 0
    sandbox.decide_on_business(waba, connected=False)
    assert studio.code() == 190
    events = [value["event"] for value in values(told(), "account_update")]
    assert events == ["ACCOUNT_RESTRICTION", "DISABLED_UPDATE", "DISABLED_UPDATE", "PARTNER_REMOVED"]
