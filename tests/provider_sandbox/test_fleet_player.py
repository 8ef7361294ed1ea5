"""A timeline is played at its moments, against a world that is made up here; the sandbox is the real one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from provider_sandbox.fleet.player import Player, Refused, Seen
from provider_sandbox.fleet.timeline import Timeline
from provider_sandbox.testing import RunningSandbox
from tests.provider_sandbox.graph import Graph

START = datetime(2026, 3, 2, tzinfo=UTC)
STUDIO = "+31200001234"


@dataclass
class MadeUp:
    """A world whose clock is moved by waiting; a studio works some real seconds after its signup."""

    sandbox: RunningSandbox | None = None
    noticing_seconds: float = 1.0
    making_seconds: float = 5.0
    fails: bool = False
    waits_on_owner: bool = False
    business: datetime = START
    real: float = 0.0
    pace: float = 1.0
    paces: list[float] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    at: list[datetime] = field(default_factory=list)
    since: dict[str, float] = field(default_factory=dict)
    clicks: int = 0

    def ask(self, method: str, path: str, **request: Any) -> Any:
        self.asked.append((method, path, request["json"]))
        self.at.append(self.business)
        if self.sandbox and path != "owners":
            answer = self.sandbox.client.request(method, f"/control/{path}", **request)
            if answer.is_client_error:
                raise Refused(answer.json()["detail"])
            told = answer.json()
        else:
            told = {"subscription": f"sub_{len(self.since)}"}
        if path == "signups":
            self.since[told["subscription"]] = self.real
        return told

    def now(self) -> datetime:
        return self.business

    def real_seconds(self) -> float:
        return self.real

    def set_pace(self, rate: float) -> None:
        self.pace = rate
        self.paces.append(rate)

    def look(self, subscriptions: Collection[str]) -> Mapping[str, Seen]:
        noticed = [one for one in subscriptions if self.real - self.since[one] >= self.noticing_seconds]
        return {one: Seen(STUDIO if self._works(one) else None, self.waits_on_owner, self.fails) for one in noticed}

    def _works(self, subscription: str) -> bool:
        return not (self.fails or self.waits_on_owner) and self.real - self.since[subscription] >= self.making_seconds

    def invite(self, name: str, email: str) -> str:
        return f"/a/{name}"

    def click(self, link: str) -> str:
        self.clicks += 1
        return "01890a5d-ac96-774b-bcce-b302099a8057"

    def live(self, moment: datetime, until: datetime | None) -> None:
        seconds = 0.5
        if until is not None:
            seconds = min(seconds, (until - moment).total_seconds() / self.pace)
        self.real += seconds
        self.business += timedelta(seconds=seconds * self.pace) + timedelta(microseconds=1)


def test_everything_is_asked_for_at_its_moment_while_time_waits_for_studios() -> None:
    world, timeline = MadeUp(), Timeline(4, 6, 6, START)
    days: list[int] = []
    player = Player(timeline, world, speed=7_200.0)
    player.play(days.append)

    assert days == [1, 2, 3, 4, 5, 6]
    assert player.played == timeline.counts
    assert not player.refused
    assert not player.unplayed
    assert len(player.numbers) == len(player.subscriptions) == 6
    assert world.asked[0][1] == "owners"
    assert world.pace == 1.0
    assert {1.0, 7_200.0} == set(world.paces)
    assert world.at == sorted(world.at)
    assert player.late == 0
    planned = {
        (event.studio.name, event.lead.number): event.at
        for day in Timeline(4, 6, 6, START).by_day()
        for event in day
        if event.studio and event.lead and event.kind == "lead_wrote"
    }
    wrote = [at for (_, path, _), at in zip(world.asked, world.at, strict=True) if path == "leads"]
    for at, moment in zip(wrote, sorted(planned.values()), strict=True):
        assert timedelta(0) <= at - moment < timedelta(hours=1, minutes=1)


def test_who_writes_to_a_studio_that_is_not_there_yet_waits_for_it() -> None:
    # Time waits for a studio for a while only; this one takes longer, so that leads are early.
    world, timeline = MadeUp(making_seconds=130.0), Timeline(0, 2, 2, START)
    player = Player(timeline, world, speed=7_200.0)
    player.play(lambda _day: None)
    assert player.late > 0
    assert player.played == timeline.counts


def test_nothing_befalls_the_payment_of_a_studio_that_is_being_made() -> None:
    world, timeline = MadeUp(noticing_seconds=400.0, making_seconds=400.0), Timeline(44, 2, 1, START)
    player = Player(timeline, world, speed=7_200.0)
    player.play(lambda _day: None)
    assert timeline.counts["card_failed"] == 1
    assert not [path for _, path, _ in world.asked if path.startswith("stripe/")]
    assert sum(player.unplayed.values()) == timeline.counts["card_failed"] + timeline.counts["lead_wrote"]


def test_a_card_may_fail_while_a_slow_owner_is_waited_for() -> None:
    days = (event for day in Timeline(3, 60, 4, START).by_day() for event in day)
    slow = {
        event.studio.name for event in days if event.kind == "card_failed" and event.studio and event.studio.is_slow
    }
    world = MadeUp(waits_on_owner=True)
    player = Player(Timeline(3, 60, 4, START), world, speed=7_200.0)
    player.play(lambda _day: None)
    assert slow
    assert (
        len([path for _, path, _ in world.asked if path == "stripe/renew"]) == player.played["card_failed"] == len(slow)
    )
    assert player.played["lead_wrote"] == 0
    # Nobody's time waits for an owner who takes theirs.
    assert world.real < 4 * 12 + 60 * 3 + 61


def test_what_is_meant_for_a_studio_that_is_never_there_is_told_and_not_lost() -> None:
    world, timeline = MadeUp(fails=True), Timeline(4, 2, 2, START)
    player = Player(timeline, world, speed=7_200.0)
    player.play(lambda _day: None)
    assert player.unplayed
    assert sum(player.unplayed.values()) + sum(player.played.values()) == sum(timeline.counts.values())


@pytest.mark.parametrize("seed", [4, 9])
def test_the_sandbox_knows_everything_that_is_played(sandbox: RunningSandbox, graph: Graph, seed: int) -> None:
    graph.connect("studio-1")
    graph.connect_number(STUDIO)
    timeline = Timeline(seed, 12, 2, START)
    world = MadeUp(sandbox)
    player = Player(timeline, world, speed=7_200.0)
    player.play(lambda _day: None)

    # All studios of this world have one number, so that people of one zone meet as acquaintances.
    refused = {kind: reason for (kind, reason) in player.refused if "has written to" not in reason}
    assert not refused
    kinds = {kind for kind, many in player.played.items() if many}
    assert {"studio_signed_up", "lead_wrote"} <= kinds
    assert len(sandbox.objects("stripe.subscription")) == 12
    counts = httpx.get(f"{sandbox.base_url}/control/leads/counts", trust_env=False).json()
    assert counts[STUDIO]["leads"] == player.played["lead_wrote"]
