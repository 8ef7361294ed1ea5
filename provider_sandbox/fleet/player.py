"""Playing a timeline. What belongs here: what is asked of the sandbox for each event, and when; nothing is drawn.

The player moves no clock and knows no product: both are the `World`'s. While a studio is being made, business time is
asked to go as real time does, since that takes seconds of real work whatever the calendar says. Who wants to write to
a studio that isn't there yet waits until it is.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from provider_sandbox.fleet.studios import REFUND_MINOR
from provider_sandbox.fleet.timeline import Event, Timeline

REAL_TIME = 1.0
"""The pace of business time, in business seconds for a real one."""
MAKING_SECONDS = 90.0
"""So long a studio may hold up everybody else's time while it is being made, in real seconds."""
PATIENCE_SECONDS = 60.0
"""So long those wait after the last day whose studio isn't there yet, in real seconds."""


class Refused(Exception):
    """Somebody who was asked to play said that it can't be; the message says why."""


@dataclass(frozen=True)
class Seen:
    """How far a studio is.

    Attributes:
        number: its number on WhatsApp in E.164, once it works; None before.
        waits_on_owner: nothing happens until its owner consents.
        failed: nothing happens until somebody helps.
    """

    number: str | None = None
    waits_on_owner: bool = False
    failed: bool = False


class World(Protocol):
    """Where a timeline is played."""

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """Ask the sandbox's control API; the path is below `/control/`. Raises `Refused`."""
        ...

    def now(self) -> datetime:
        """Business time."""
        ...

    def real_seconds(self) -> float:
        """Real time, from any moment on."""
        ...

    def set_pace(self, rate: float) -> None:
        """Let business time go on at another pace: business seconds for a real one."""
        ...

    def look(self, subscriptions: Collection[str]) -> Mapping[str, Seen]:
        """How far the studios of these subscriptions are; one that is not noticed yet is left out."""
        ...

    def invite(self, name: str, email: str) -> str:
        """Make somebody an affiliate; return their link."""
        ...

    def click(self, link: str) -> str:
        """Follow a link; return the click's id. Raises `Refused`."""
        ...

    def live(self, moment: datetime, until: datetime | None) -> None:
        """Do what people and schedules do meanwhile, then let some real time pass, not past `until`.

        Args:
            moment: business time.
            until: when something is due, in business time; None: nothing is.
        """
        ...


@dataclass
class _Club:
    email: str
    link: str


@dataclass
class _Making:
    subscription: str
    since: float
    seen: Seen = Seen()


class Player:
    """Plays a timeline once.

    Attributes:
        played: events by kind.
        refused: events that could not be, by kind and reason.
        late: events that had to wait for their studio.
        unplayed: events whose studio was never ready, by studio's name.
        subscriptions: of the studios that signed up, by name.
        numbers: of the studios that work, by name.
        leaving: names of studios that have cancelled or don't pay; whether they go on working is the product's.
        self_referred: how many owners came by a link of their own.
    """

    def __init__(self, timeline: Timeline, world: World, speed: float) -> None:
        """`speed` is in business seconds for a real one."""
        self.played: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.late = 0
        self.unplayed: Counter[str] = Counter()
        self.subscriptions: dict[str, str] = {}
        self.numbers: dict[str, str] = {}
        self.leaving: set[str] = set()
        self.self_referred = 0
        self._timeline = timeline
        self._world = world
        self._speed = speed
        self._pace = REAL_TIME
        self._clubs: dict[int, _Club] = {}
        self._making: dict[str, _Making] = {}
        self._held: dict[str, deque[Event]] = {}

    def play(self, day_passed: Callable[[int], None]) -> None:
        """Play everything; `day_passed` is called with the number of days that are over. Time goes on at its own pace.

        Whoever interrupts it has to set the pace of time right.
        """
        for day, events in enumerate(self._timeline.by_day(), start=1):
            for event in events:
                self._pass_until(event.at)
                self._take(event)
            day_passed(day)
        self._pass_until(self._timeline.ends)
        self._set_pace(REAL_TIME)
        deadline = self._world.real_seconds() + PATIENCE_SECONDS
        while self._held and self._awaited() and self._world.real_seconds() < deadline:
            self._look()
            self._world.live(self._world.now(), None)
        self.unplayed.update({studio: len(events) for studio, events in self._held.items()})

    def _pass_until(self, moment: datetime) -> None:
        while (now := self._world.now()) < moment:
            self._look()
            self._set_pace(REAL_TIME if self._hurried() else self._speed)
            self._world.live(now, moment)

    def _set_pace(self, rate: float) -> None:
        if rate != self._pace:
            self._world.set_pace(rate)
            self._pace = rate

    def _hurried(self) -> bool:
        """Whether a studio is being made, so that the others' time has to wait."""
        now = self._world.real_seconds()
        return any(now - one.since < MAKING_SECONDS and not one.seen.waits_on_owner for one in self._awaited())

    def _awaited(self) -> list[_Making]:
        return [one for one in self._making.values() if not one.seen.failed]

    def _look(self) -> None:
        """See which studios have become ready, and let those write who have waited for them."""
        found = self._world.look([one.subscription for one in self._making.values()]) if self._making else {}
        for name, making in list(self._making.items()):
            seen = found.get(making.subscription, Seen())
            if making.seen.waits_on_owner and not seen.waits_on_owner:
                making.since = self._world.real_seconds()
            making.seen = seen
            if seen.number is not None:
                self.numbers[name] = seen.number
                del self._making[name]
            self._release(name)

    def _release(self, name: str) -> None:
        """Play what had to wait for a studio and need not any more."""
        for event in self._held.pop(name, ()):
            if self._is_early(event):
                self._hold(event)
            else:
                self.late += 1
                self._do(event)

    def _take(self, event: Event) -> None:
        if self._is_early(event):
            self._hold(event)
        else:
            self._do(event)

    def _hold(self, event: Event) -> None:
        self._held.setdefault(event.studio.name if event.studio else "", deque()).append(event)

    def _is_early(self, event: Event) -> bool:
        """Whether the studio isn't there yet for this.

        Leads wait until it works. So does what befalls its payments, unless its owner takes their time: real work takes
        more business time here than it would, and a card that fails in the midst of it would stop it.
        """
        if event.studio is None or event.kind == "studio_signed_up" or event.studio.name in self.numbers:
            return False
        making = self._making.get(event.studio.name)
        if event.lead is not None or making is None:
            return True
        return not (making.seen.failed or (making.seen.waits_on_owner and event.studio.is_slow))

    def _do(self, event: Event) -> None:
        try:
            self._play(event)
        except Refused as reason:
            self.refused[event.kind, str(reason)] += 1
        else:
            self.played[event.kind] += 1

    def _play(self, event: Event) -> None:
        if event.affiliate is not None:
            self._play_affiliate(event)
        elif event.lead is not None:
            self._play_lead(event)
        elif event.kind == "studio_signed_up":
            self._sign_up(event)
        else:
            self._play_money(event)

    def _play_affiliate(self, event: Event) -> None:
        club = event.affiliate
        if club is None:
            raise TypeError(f"{event.kind} is about no affiliate")
        if event.kind == "affiliate_joined":
            self._clubs[club.index] = _Club(club.email, self._world.invite(club.name, club.email))
            return
        for _ in range(event.times):
            self._world.click(self._clubs[club.index].link)

    def _sign_up(self, event: Event) -> None:
        studio = event.studio
        if studio is None:
            raise TypeError("a signup is about a studio")
        email, click = studio.email, None
        if studio.affiliate is not None:
            club = self._clubs[studio.affiliate]
            click = self._world.click(club.link)
            email = club.email if studio.refers_self else email
        self._world.ask("PUT", "owners", json={"email": email, "hours": studio.consents_after})
        body = {
            "studio": studio.name,
            "owner_name": studio.owner,
            "email": email,
            "phone": studio.phone,
            "country": studio.zone.country,
            "plan": studio.plan,
            "time_zone": studio.zone.name,
            "client_reference_id": click,
            "seed": studio.seed,
        }
        subscription = str(self._world.ask("POST", "signups", json=body)["subscription"])
        self.self_referred += studio.refers_self
        self.subscriptions[studio.name] = subscription
        self._making[studio.name] = _Making(subscription, self._world.real_seconds())

    def _play_money(self, event: Event) -> None:
        studio = event.studio
        if studio is None:
            raise TypeError(f"{event.kind} is about no studio")
        about: dict[str, Any] = {"subscription": self.subscriptions[studio.name], "seed": studio.seed}

        def ask(path: str, **more: Any) -> None:
            self._world.ask("POST", f"stripe/{path}", json=about | more)

        if event.kind == "card_failed":
            ask("paying", failing=True)
            # The next month is charged before its time, so that the failure shows within days.
            ask("renew")
        elif event.kind == "card_replaced":
            ask("paying", failing=False)
        elif event.kind == "refunded":
            ask("refunds", amount=REFUND_MINOR)
        elif event.kind == "plan_changed":
            ask("plans", plan="BASIC" if studio.plan == "PRO" else "PRO")
        elif event.kind in _DISPUTES:
            ask("disputes", status=_DISPUTES[event.kind])
        else:
            ask("cancellations", at_period_end=event.kind == "cancelled_at_period_end")
        if event.kind in _LEAVING:
            self.leaving.add(studio.name)
        elif event.kind == "card_replaced":
            self.leaving.discard(studio.name)

    def _play_lead(self, event: Event) -> None:
        lead, studio = event.lead, event.studio
        if lead is None or studio is None:
            raise TypeError(f"{event.kind} is about no lead of a studio")
        about: dict[str, Any] = {"to": self.numbers[studio.name], "from": lead.number}
        if event.kind != "lead_wrote":
            self._world.ask("POST", "leads/words", json=about | {"topic": event.kind.removeprefix("lead_")})
            return
        mind = {name: getattr(lead, name) for name in ("name", "persona", "language", "mood", "goal", "seed")}
        self._world.ask("POST", "leads", json=about | mind)


_LEAVING = frozenset({"card_failed", "cancelled", "cancelled_at_period_end"})
_DISPUTES: Mapping[str, str] = {"disputed": "needs_response", "dispute_won": "won", "dispute_lost": "lost"}
