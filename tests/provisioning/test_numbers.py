"""Which parent a studio's account is under, and where its number is looked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from pilar.backplane.effects import EffectLedger
from pilar.backplane.facts import Cause
from pilar.crypto import SecretBox, new_key
from pilar.database.engine import Scope
from pilar.errors import Conflict, NotConfigured, NotFound, Transient
from pilar.providers.twilio.client import TwilioCredentials, TwilioGateway, TwilioNumber
from pilar.provisioning.twilio_ladder import COUNTRY, Rung, rungs
from pilar.provisioning.twilio_parents import place, rooms
from pilar.provisioning.twilio_steps import TwilioSteps
from pilar.settings import Settings
from pilar.workspaces import store as workspaces
from tests.fixtures.studios import OPENED, add_studio
from tests.fixtures.work import Bench

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


def test_parents_are_read_from_the_settings_and_told_when_they_are_wrong() -> None:
    first = {"twilio_account_sid": PARENTS[0], "twilio_auth_token": "one"}
    gateway = TwilioGateway(Settings(**first, twilio_parents=f"{PARENTS[1]}:two, {PARENTS[0]}:again"))  # type: ignore[arg-type]
    assert gateway.parents() == (TwilioCredentials(PARENTS[0], "one"), TwilioCredentials(PARENTS[1], "two"))
    with pytest.raises(NotConfigured, match="is not configured"):
        gateway.under("AC" + "9" * 32)
    wrong = TwilioGateway(Settings(**first, twilio_parents=PARENTS[1]))  # type: ignore[arg-type]
    with pytest.raises(NotConfigured, match="SID:token"):
        wrong.parents()
