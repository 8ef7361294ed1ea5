"""Which parent a studio's account is under, and where its number is looked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from pilar.backplane.effects import EffectLedger
from pilar.backplane.facts import Cause
from pilar.crypto import SecretBox, new_key
from pilar.database.engine import Scope
from pilar.errors import Conflict, NoRoom, NotConfigured, NotFound, TooManyRequests, Transient
from pilar.ids import new_id
from pilar.providers.twilio.client import TwilioAccount, TwilioGateway, TwilioNumber
from pilar.providers.twilio.credentials import TwilioCredentials
from pilar.provisioning import number_purchases, replacement_store, store, traces
from pilar.provisioning.invariants import INVARIANTS
from pilar.provisioning.steps import DatabaseStep, Done, Job, Wait
from pilar.provisioning.twilio_ladder import COUNTRY, Rung, rungs
from pilar.provisioning.twilio_parents import place, rooms
from pilar.provisioning.twilio_steps import TwilioSteps
from pilar.settings import Settings
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import seal
from tests.fixtures.studios import OPENED, add_studio
from tests.fixtures.work import Bench

KEY = new_key()
PARENTS = ["AC" + "1" * 32, "AC" + "2" * 32]


def placed(bench: Bench, studio: UUID, capacity: int = 20) -> str | None:
    with bench.database.transaction(Scope.fleet()) as connection:
        return place(connection, bench.clocks, studio, PARENTS, capacity, Cause.new())


def incidents(bench: Bench) -> list[Any]:
    return bench.rows("select payload ->> 'severity' from autopilot_event where type = 'incident.requested' order by 1")


def test_studios_are_spread_and_stay_where_they_are(bench: Bench) -> None:
    studios = [add_studio(bench.database) for _ in range(4)]
    found = [placed(bench, one) for one in studios]
    assert sorted(filter(None, found)) == sorted(PARENTS * 2)
    assert [placed(bench, one) for one in studios] == found
    assert incidents(bench) == []


def test_what_is_older_than_placing_counts_under_the_first_and_what_is_closed_not_at_all(bench: Bench) -> None:
    old, closed = add_studio(bench.database), add_studio(bench.database)
    with bench.database.transaction(Scope.fleet()) as connection:
        for studio, state in ((old, "connected"), (closed, "closed")):
            workspaces.upsert_integration(
                connection, studio, "twilio", now=OPENED, state=state, external_id=f"AC{studio.hex}"
            )
        assert [room.used for room in rooms(connection, PARENTS, 5)] == [1, 0]
    assert placed(bench, old) == PARENTS[0]
    assert placed(bench, add_studio(bench.database)) == PARENTS[1]
    with bench.database.transaction(Scope.fleet()) as connection:
        assert [room.used for room in rooms(connection, PARENTS, 5)] == [1, 1]


def test_a_full_fleet_is_an_incident_before_nobody_finds_room(bench: Bench) -> None:
    studios = [add_studio(bench.database) for _ in range(21)]
    found = [placed(bench, one, 10) for one in studios[:18]]
    assert incidents(bench) == []
    found += [placed(bench, studios[18], 10)]
    assert incidents(bench) == [("high",)]
    found += [placed(bench, studios[19], 10)]
    assert None not in found
    assert placed(bench, studios[20], 10) is None
    assert incidents(bench) == [("critical",), ("high",)]
    assert placed(bench, studios[20], 11) is not None  # once there is room


def test_many_at_once_take_no_more_than_there_is(bench: Bench) -> None:
    studios = [add_studio(bench.database) for _ in range(12)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda one: placed(bench, one, 5), studios))
    assert sorted(map(str, found)) == sorted([*PARENTS * 5, "None", "None"])


@pytest.mark.parametrize(
    ("country", "phone", "expected"),
    [
        (
            "US",
            "+12125550123",
            [
                Rung("area code", area_code="212"),
                Rung("neighbouring", near="+12125550123"),
                Rung("region", region="NY"),
                COUNTRY,
            ],
        ),
        (
            "US",
            "+15125550100",
            [Rung("area code", area_code="512"), Rung("neighbouring", near="+15125550100"), COUNTRY],
        ),
        ("NL", "+31201234567", [Rung("area code", begins="+3120"), COUNTRY]),
        ("NL", "+31612345678", [COUNTRY]),
        ("NL", "+12125550123", [COUNTRY]),
        ("NL", None, [COUNTRY]),
        ("NL", "nonsense", [COUNTRY]),
    ],
)
def test_a_number_is_looked_for_from_near_to_far(country: str, phone: str | None, expected: list[Rung]) -> None:
    assert rungs(country, phone) == expected


class Shop:
    """Twilio's offers as a test has them."""

    def __init__(self, *offers: list[str], taken: frozenset[str] = frozenset()) -> None:
        self.offers, self.taken, self.searches, self.bought = list(offers), taken, [], []

    def available_numbers(self, account: Any, country: str, area_code: str | None, limit: int, **narrowed: Any) -> Any:
        self.searches.append(area_code or next((value for value in narrowed.values() if value), None))
        return self.offers.pop(0)

    def buy_number(self, account: Any, number: str, name: str, *urls: str) -> TwilioNumber:
        self.bought.append(number)
        if number in self.taken:
            raise Conflict("taken")
        return TwilioNumber("PN1", number, name)


def buy(bench: Bench, shop: Any) -> TwilioNumber:
    ledger: EffectLedger = None  # type: ignore[assignment]
    settings = Settings(public_url="http://studio.test")
    steps = TwilioSteps(bench.database, bench.clocks, shop, ledger, SecretBox([new_key()]), settings)
    return steps._buy(TwilioCredentials("AC1", "t"), "US", rungs("US", "+12125550123"), "pilar 1")


def test_the_ladder_is_climbed_while_there_is_nothing_or_all_is_taken(bench: Bench) -> None:
    shop = Shop([], ["+1", "+2"], ["+2", "+3"], taken=frozenset({"+1", "+2"}))
    assert buy(bench, shop).phone_number == "+3"
    assert shop.searches == ["212", "+12125550123", "NY"]
    assert shop.bought == ["+1", "+2", "+3"]  # none is tried twice
    with pytest.raises(NotFound, match="no number to offer"):
        buy(bench, Shop([], [], [], []))
    with pytest.raises(Transient, match="taken"):
        buy(bench, Shop([], ["+1"], [], [], taken=frozenset({"+1"})))


def _number_job(bench: Bench, studio: UUID) -> Job:
    """A studio's job as the step that buys sees it, with its row."""
    with bench.database.transaction(Scope.fleet()) as connection:
        new = store.NewJob(new_id(), studio, f"sub_{studio}", "cus", new_id(), studio.bytes, b"sealed")
        store.create_job(connection, new, [DatabaseStep("one", "One", lambda *_: {})], bench.clocks.business.now())
        box = SecretBox([KEY])
        workspaces.upsert_integration(
            connection, studio, "twilio", now=OPENED, external_id="AC1",
            sealed_credentials=seal(box, {"auth_token": "t"}),
        )  # fmt: skip
        return store.job_view(store.get_job(connection, new.id), [])


class Counter(Shop):
    """A shop that never runs out, where all bought by a name is found again until it is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.had: dict[str, str] = {}

    def available_numbers(self, *about: Any, **narrowed: Any) -> Any:
        return [f"+3120000{len(self.bought):04d}"]

    def buy_number(self, account: Any, number: str, name: str, *urls: str) -> TwilioNumber:
        self.bought.append(number)
        sid = f"PN{len(self.bought)}"
        self.had[sid] = number
        return TwilioNumber(sid, number, name)

    def owns_number(self, account: Any, sid: str) -> bool:
        return sid in self.had


def _steps(bench: Bench, shop: Any) -> TwilioSteps:
    ledger = EffectLedger(bench.database, bench.clocks, timeout=timedelta(seconds=1))
    return TwilioSteps(bench.database, bench.clocks, shop, ledger, SecretBox([KEY]), Settings())


def test_a_studio_is_bought_one_number_a_day_also_where_one_is_lost_and_bought_again(bench: Bench) -> None:
    studio, shop = add_studio(bench.database), Counter()
    found = {"customer_validation": {"country": "NL", "phone": None}, "twilio_subaccount": {"account_sid": "AC1"}}
    job = replace(_number_job(bench, studio), results=found)
    steps = _steps(bench, shop)
    first = steps.buy_number(job)
    assert isinstance(first, Done)
    assert steps.buy_number(job) == first, "asked again it is the same purchase"
    again = replace(job, results=found | {"phone_number_purchase": first.result})
    assert steps.buy_number(again) == first, "a number that is there is kept"
    shop.had.clear()
    waits = steps.buy_number(again)
    assert isinstance(waits, Wait)
    assert (waits.on, "one a day is allowed" in waits.reason) == ("us", True)
    assert steps.buy_number(again) == waits
    assert len(shop.bought) == 1
    bench.business.advance(timedelta(days=1))
    second = steps.buy_number(again)
    assert isinstance(second, Done)
    assert second.result["number_sid"] == "PN2"
    assert steps.buy_number(again) == second, "a crash before the result was kept changes nothing"
    invariants = {one.name: one.query for one in INVARIANTS}
    assert bench.rows(invariants["one_number_per_studio"]) == bench.rows(invariants["one_number_a_day"]) == []


def test_a_replacement_is_a_purchase_like_any_other_and_buying_again_finds_what_it_brought(bench: Bench) -> None:
    studio, shop = add_studio(bench.database), Counter()
    found = {"customer_validation": {"country": "NL", "phone": None}, "twilio_subaccount": {"account_sid": "AC1"}}
    job = replace(_number_job(bench, studio), results=found)
    steps = _steps(bench, shop)
    first = steps.buy_number(job)
    assert isinstance(first, Done)
    again = replace(job, results=found | {"phone_number_purchase": first.result})
    identity, today = new_id(), bench.clocks.business.now()
    with bench.database.transaction(Scope.fleet()) as connection:
        assert number_purchases.lose_all(connection, bench.clocks, studio)
        begun = {
            "workspace_id": studio, "id": identity, "why": "It is gone.", "old_number": "+31200000000",
            "old_number_sid": "PN1", "begun_at": OPENED, "begun_on": today.date(), "correlation_id": new_id(),
        }  # fmt: skip
        assert replacement_store.begin_replacement(connection, begun)
        with pytest.raises(Transient, match="being replaced"):
            number_purchases.intend(connection, bench.clocks, studio, f"{studio}:2")
    waits = steps.purchase(job, intent=str(identity))
    assert isinstance(waits, Wait)
    assert "one a day is allowed" in waits.reason
    bench.business.advance(timedelta(days=1))
    shop.had.clear()
    # Whoever asks first, the replacement or somebody who has the step run again: it is one purchase.
    by_hand = steps.buy_number(again)
    assert isinstance(by_hand, Done)
    assert steps.purchase(job, intent=str(identity)) == by_hand.result == {
        "number_sid": "PN2", "phone_number": "+31200000001",
    }  # fmt: skip
    with bench.database.transaction(Scope.fleet()) as connection:
        replacement_store.change_replacement(connection, studio, identity, {"ended_at": today, "outcome": "replaced"})
    assert steps.buy_number(again) == by_hand, "what an earlier run has found is not asked for again"
    assert len(shop.bought) == 2
    [name] = bench.rows("select request ->> 'friendly_name' from effect where response ->> 'number_sid' = 'PN2'")[0]
    key = f"{studio}:{identity}"
    assert name == traces.number_name(studio, key) == f"pilar replacement {identity}"
    assert traces.number_name(studio, str(studio)) == traces.number_name(studio, f"{studio}:2") == f"pilar {studio}"
    invariants = {one.name: one.query for one in INVARIANTS}
    assert bench.rows(invariants["one_number_per_studio"]) == bench.rows(invariants["one_number_a_day"]) == []


def test_two_workers_at_once_buy_one_number(bench: Bench) -> None:
    studio = add_studio(bench.database)
    _number_job(bench, studio)

    def intend(key: str) -> str:
        try:
            with bench.database.transaction(Scope.fleet()) as connection:
                number_purchases.intend(connection, bench.clocks, studio, key)
        except TooManyRequests:
            return "refused"
        return key

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(intend, [f"key {number}" for number in range(6)]))
    assert len([one for one in found if one != "refused"]) == 1
    assert bench.one("select count(*) from number_purchase") == 1
    kept = next(one for one in found if one != "refused")
    assert intend(kept) == kept, "the same purchase may be tried again"


def test_a_parent_that_is_full_by_twilios_count_is_left_for_the_next(bench: Bench) -> None:
    studio = add_studio(bench.database)
    job = _number_job(bench, studio)
    asked: list[str] = []

    class Parents:
        def __init__(self, sid: str = "") -> None:
            self.sid = sid

        def parents(self) -> tuple[TwilioCredentials, ...]:
            return tuple(TwilioCredentials(sid, "t") for sid in PARENTS)

        def under(self, sid: str) -> Parents:
            return Parents(sid)

        def create_subaccount(self, name: str) -> TwilioAccount:
            asked.append(self.sid)
            if len(asked) == 1:
                raise NoRoom("21100: it has as many as it may")
            return self.find_subaccount(name)

        def find_subaccount(self, name: str) -> TwilioAccount:
            return TwilioAccount("AC9", "t", name, "active")

    with bench.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql("delete from integration")
    assert _steps(bench, Parents()).create_subaccount(job) == Done({"account_sid": "AC9"})
    assert sorted(asked) == sorted(PARENTS)
    assert bench.rows("select parent_sid from twilio_parent") == [(asked[0],)]
    assert bench.rows("select parent_sid from twilio_placement") == [(asked[1],)]


def test_parents_are_read_from_the_settings_and_told_when_they_are_wrong() -> None:
    first = {"twilio_account_sid": PARENTS[0], "twilio_auth_token": "one"}
    gateway = TwilioGateway(Settings(**first, twilio_parents=f"{PARENTS[1]}:two, {PARENTS[0]}:again"))  # type: ignore[arg-type]
    assert gateway.parents() == (TwilioCredentials(PARENTS[0], "one"), TwilioCredentials(PARENTS[1], "two"))
    with pytest.raises(NotConfigured, match="is not configured"):
        gateway.under("AC" + "9" * 32)
    wrong = TwilioGateway(Settings(**first, twilio_parents=PARENTS[1]))  # type: ignore[arg-type]
    with pytest.raises(NotConfigured, match="SID:token"):
        wrong.parents()
