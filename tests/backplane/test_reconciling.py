"""What the sweep over effects in doubt promises: each is looked for once at a time, and ends settled or with a person."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilar.backplane.effects import Effect, EffectLedger, EffectSettled, decide
from pilar.backplane.reconciling import GIVE_UP_AFTER, GRACE, Doubt, Policy, Reconciled, Reconcilers, reconcile
from pilar.backplane.unknown_effects import unknown_effects
from pilar.database.engine import Scope
from pilar.errors import Busy, Conflict, NotFound, OutcomeUnknown, Permanent, Transient
from pilar.ids import new_id
from tests.fixtures.work import Bench
from tests.properties import examples

TIMEOUT = timedelta(seconds=10)
KIND = "test.buy"


class Killed(BaseException):
    """The process died: nothing after this runs."""


class Shop:
    """A provider that can be asked what was bought, unless it is away."""

    def __init__(self) -> None:
        self.bought = 0
        self.asked = 0
        self.away = False

    def buy(self) -> dict[str, Any]:
        self.bought += 1
        return {"sid": "PN1"}

    def find(self, doubt: Doubt | None = None) -> dict[str, Any] | None:
        self.asked += 1
        if self.away:
            raise Transient("503")
        return {"sid": "PN1"} if self.bought else None


def _ledger(bench: Bench) -> EffectLedger:
    return EffectLedger(bench.database, bench.clocks, timeout=TIMEOUT)


def _reconcilers(find: Callable[[Doubt], Any] | None, policy: Policy = Policy.REPEAT) -> Reconcilers:
    made = Reconcilers(TIMEOUT)
    made.on_kind(KIND, find, policy)
    return made


def _doubt(bench: Bench, call: Callable[[], dict[str, Any]], *, key: str = "1", dies: bool = False) -> None:
    """An effect whose outcome its own process never learnt."""

    def cut() -> dict[str, Any]:
        call()
        raise Killed if dies else OutcomeUnknown("The connection failed.")

    with pytest.raises(Killed if dies else OutcomeUnknown):
        _ledger(bench).perform(Effect(KIND, key, call=cut))


def _told(bench: Bench) -> list[str]:
    return [
        row[0]
        for row in bench.rows(
            f"select payload->>'state' from autopilot_event where type = '{EffectSettled.type_name}' order by position"
        )
    ]


def _settle(bench: Bench, verdict: Any, *, note: str = "asked the shop") -> UUID:
    with bench.database.transaction(Scope.fleet()) as connection:
        (row,) = unknown_effects(connection)
        decide(connection, bench.clocks, row.id, verdict, "admin:1", note)
    return row.id


@pytest.mark.parametrize("dies", [False, True])
def test_what_happened_is_found_though_its_work_never_comes_back(bench: Bench, dies: bool) -> None:
    shop = Shop()
    _doubt(bench, shop.buy, dies=dies)
    registry = _reconcilers(shop.find)
    assert reconcile(bench.database, bench.clocks, registry) == Reconciled(), "its own work goes first"
    bench.real.advance(GRACE)
    assert reconcile(bench.database, bench.clocks, registry) == Reconciled(looked_for=1, confirmed=1)
    assert bench.rows("select state, settled_by, response from effect") == [("confirmed", "look_up", {"sid": "PN1"})]
    assert _told(bench) == ["confirmed"]
    assert _ledger(bench).perform(Effect(KIND, "1", call=shop.buy)) == {"sid": "PN1"}
    assert shop.bought == 1
    assert reconcile(bench.database, bench.clocks, registry) == Reconciled()


def test_what_is_not_there_is_freed_and_had_by_its_own_work(bench: Bench) -> None:
    shop = Shop()
    _doubt(bench, dict)
    bench.real.advance(GRACE)
    assert reconcile(bench.database, bench.clocks, _reconcilers(shop.find)).freed == 1
    assert _told(bench) == ["intent"]
    _ledger(bench).perform(Effect(KIND, "1", call=shop.buy))
    assert shop.bought == 1


def test_what_may_be_risked_once_is_left_to_a_person_the_second_time(bench: Bench) -> None:
    registry = _reconcilers(None, Policy.ONCE_MORE)
    for outcome in ("freed", "given_up"):
        _doubt(bench, dict)
        bench.real.advance(GRACE)
        assert getattr(reconcile(bench.database, bench.clocks, registry), outcome) == 1
    assert bench.rows("select state, given_up_at is not null from effect") == [("unknown", True)]
    assert bench.one("select count(*) from autopilot_event where type = 'incident.requested'") == 1
    bench.real.advance(timedelta(days=3))
    assert reconcile(bench.database, bench.clocks, registry) == Reconciled()


def test_a_repetition_by_its_own_work_counts_as_the_one_risk(bench: Bench) -> None:
    ledger, shop = _ledger(bench), Shop()

    def cut() -> dict[str, Any]:
        shop.buy()
        raise OutcomeUnknown

    for expected in (OutcomeUnknown, OutcomeUnknown, Permanent):
        with pytest.raises(expected):
            ledger.perform(Effect(KIND, "1", call=cut, risks=1))
        bench.real.advance(TIMEOUT)
    assert shop.bought == 2


def test_a_kind_that_nobody_knows_is_left_to_a_person(bench: Bench) -> None:
    _doubt(bench, dict)
    bench.real.advance(GRACE)
    assert reconcile(bench.database, bench.clocks, Reconcilers(TIMEOUT)).given_up == 1


def test_a_provider_that_is_away_is_asked_less_and_less_and_one_day_no_more(bench: Bench) -> None:
    shop = Shop()
    shop.away = True
    _doubt(bench, shop.buy)
    registry = _reconcilers(shop.find)
    bench.real.advance(GRACE)
    assert reconcile(bench.database, bench.clocks, registry).put_off == 1
    assert reconcile(bench.database, bench.clocks, registry) == Reconciled()
    bench.real.advance(timedelta(minutes=1))
    assert reconcile(bench.database, bench.clocks, registry).put_off == 1
    bench.real.advance(GIVE_UP_AFTER)
    assert reconcile(bench.database, bench.clocks, registry).given_up == 1
    assert "503" in bench.one("select error from effect")


def test_two_sweeps_at_once_look_once(bench: Bench) -> None:
    shop, inside, go = Shop(), threading.Event(), threading.Event()

    def slow(doubt: Doubt) -> Any:
        inside.set()
        assert go.wait(20)
        return shop.find(doubt)

    _doubt(bench, shop.buy)
    bench.real.advance(GRACE)
    results: list[Reconciled] = []
    first = threading.Thread(target=lambda: results.append(reconcile(bench.database, bench.clocks, _reconcilers(slow))))
    first.start()
    assert inside.wait(20)
    assert reconcile(bench.database, bench.clocks, _reconcilers(slow)) == Reconciled()
    with pytest.raises(Busy):
        _ledger(bench).perform(Effect(KIND, "1", call=shop.buy, find=shop.find))
    with bench.database.transaction(Scope.fleet()) as connection:
        (row,) = unknown_effects(connection)
        with pytest.raises(Conflict, match="looked for"):
            decide(connection, bench.clocks, row.id, "happened", "admin:1", "")
    go.set()
    first.join()
    assert results == [Reconciled(looked_for=1, confirmed=1)]
    assert (shop.bought, shop.asked) == (1, 1)


def test_who_looked_for_longer_than_the_lease_changes_nothing(bench: Bench) -> None:
    shop = Shop()

    def lost(doubt: Doubt) -> Any:
        bench.real.advance(timedelta(minutes=1))
        assert reconcile(bench.database, bench.clocks, _reconcilers(lambda _: {"sid": "second"})).confirmed == 1
        return None

    _doubt(bench, shop.buy)
    bench.real.advance(GRACE)
    assert reconcile(bench.database, bench.clocks, _reconcilers(lost)) == Reconciled(looked_for=1)
    assert bench.rows("select state, response from effect") == [("confirmed", {"sid": "second"})]
    assert _told(bench) == ["confirmed"]


def test_a_sweep_that_is_killed_leaves_a_lease_and_the_next_one_settles(bench: Bench) -> None:
    shop = Shop()

    def dies(doubt: Doubt) -> Any:
        raise Killed

    _doubt(bench, shop.buy)
    bench.real.advance(GRACE)
    with pytest.raises(Killed):
        reconcile(bench.database, bench.clocks, _reconcilers(dies))
    assert reconcile(bench.database, bench.clocks, _reconcilers(shop.find)) == Reconciled()
    bench.real.advance(timedelta(seconds=16))
    assert reconcile(bench.database, bench.clocks, _reconcilers(shop.find)).confirmed == 1
    assert shop.bought == 1


def test_many_are_settled_in_one_sweep(bench: Bench) -> None:
    shop = Shop()
    for number in range(20):
        _doubt(bench, shop.buy, key=str(number))
    bench.real.advance(GRACE)
    found = reconcile(bench.database, bench.clocks, _reconcilers(shop.find), batch=4)
    assert found == Reconciled(looked_for=20, confirmed=20)


def test_a_person_decides_once_and_it_is_audited(bench: Bench) -> None:
    shop = Shop()
    _doubt(bench, dict)
    bench.real.advance(GRACE)
    reconcile(bench.database, bench.clocks, _reconcilers(None, Policy.NEVER))
    effect_id = _settle(bench, "did_not_happen", note="asked anna@shop.example")
    assert bench.rows("select state, settled_by, note from effect") == [("intent", "admin:1", "asked a…@shop.example")]
    assert bench.rows("select actor, action, details->>'verdict' from audit_log") == [
        ("admin:1", "effect.decided", "did_not_happen")
    ]
    assert _told(bench) == ["unknown", "intent"]
    with bench.database.transaction(Scope.fleet()) as connection:
        with pytest.raises(Conflict, match="not in doubt"):
            decide(connection, bench.clocks, effect_id, "happened", "admin:1", "")
        with pytest.raises(NotFound):
            decide(connection, bench.clocks, new_id(), "happened", "admin:1", "")
        assert unknown_effects(connection) == []
    _ledger(bench).perform(Effect(KIND, "1", call=shop.buy))
    assert shop.bought == 1


def test_what_a_person_confirms_is_not_repeated_and_read_back_where_it_can_be(bench: Bench) -> None:
    shop = Shop()
    _doubt(bench, shop.buy)
    _doubt(bench, dict, key="2")
    bench.real.advance(GRACE)
    reconcile(bench.database, bench.clocks, _reconcilers(None, Policy.NEVER))
    with bench.database.transaction(Scope.fleet()) as connection:
        for row in unknown_effects(connection):
            decide(connection, bench.clocks, row.id, "happened", "admin:1", "")
    for _ in range(2):
        assert _ledger(bench).perform(Effect(KIND, "1", call=shop.buy, find=shop.find)) == {"sid": "PN1"}
    assert _ledger(bench).perform(Effect(KIND, "2", call=shop.buy)) == {}
    assert (shop.bought, shop.asked) == (1, 1)


def test_the_list_goes_on_below_an_id(bench: Bench) -> None:
    for number in range(3):
        _doubt(bench, dict, key=str(number))
    with bench.database.transaction(Scope.fleet()) as connection:
        first = unknown_effects(connection, limit=2)
        rest = unknown_effects(connection, before=first[-1].id, limit=2)
    assert [row.key for row in (*first, *rest)] == ["2", "1", "0"]
    assert not first[0].needs_a_person


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    story=st.lists(
        st.sampled_from(["work", "work dies after", "no answer", "sweep", "sweep dies", "away"]), max_size=10
    )
)
def test_in_whatever_order_work_sweeps_and_deaths_come_it_is_bought_once(bench: Bench, story: list[str]) -> None:
    shop, key = Shop(), str(new_id())

    def call(how: str) -> dict[str, Any]:
        shop.buy()
        if how == "work dies after":
            raise Killed
        if how == "no answer":
            raise OutcomeUnknown
        return {"sid": "PN1"}

    def look(doubt: Doubt) -> Any:
        if how == "sweep dies":
            raise Killed
        return shop.find(doubt)

    for how in [*story, "sweep", "work"]:
        shop.away = how == "away"
        try:
            if how.startswith("sweep") or how == "away":
                reconcile(bench.database, bench.clocks, _reconcilers(look), batch=1)
            else:
                _ledger(bench).perform(Effect(KIND, key, call=lambda: call(how), find=shop.find))  # noqa: B023
        except (Killed, Transient):
            pass
        bench.real.advance(GRACE)
    assert shop.bought == 1
    assert bench.one(f"select state from effect where key = '{key}'") == "confirmed"
