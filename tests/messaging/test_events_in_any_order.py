"""Whatever happens in whatever order, nothing goes that may not: the rule under a studio's life, without a database."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from pilar.messaging.decisions import EmailFacts, Facts, SmsFacts, Verdict
from pilar.messaging.facts import WINDOW, opted_out_scope
from pilar.messaging.verdict import decide
from pilar.messaging.zones import is_quiet, plausible_zones

# The clocks go forward on this night in Europe, and two weeks before in America.
BEGINS = datetime(2026, 3, 7, 12, tzinfo=UTC)
PHONES = ("+31612345678", "+12125550123", "+18005550100", None)

Scope = Literal["marketing", "email", "all"]


@dataclass(frozen=True)
class World:
    """What is true at a moment, kept as the product keeps it."""

    now: datetime = BEGINS
    last_inbound: datetime | None = None
    consents: tuple[tuple[Scope, bool], ...] = ()
    with_person: bool = False
    paused: bool = False
    template: str | None = "approved"
    unreachable: bool = False
    bounced: bool = False
    frozen_until: datetime | None = None
    sent: tuple[datetime, ...] = ()

    @property
    def granted(self) -> dict[str, bool]:
        return dict(self.consents)


def _lives(world: World, event: tuple[str, Any]) -> World:
    name, value = event
    if name == "writes":
        return replace(world, last_inbound=world.now, unreachable=False)
    if name == "consents":
        return replace(world, consents=(*world.consents, value))
    if name == "passes":
        return replace(world, now=world.now + value)
    if name == "freezes":
        return replace(world, frozen_until=world.now + value)
    return replace(world, **{name: value})


EVENTS = st.one_of(
    st.tuples(st.just("writes"), st.none()),
    st.tuples(st.just("consents"), st.tuples(st.sampled_from(["marketing", "email", "all"]), st.booleans())),
    st.tuples(st.just("passes"), st.timedeltas(timedelta(minutes=1), timedelta(days=9))),
    st.tuples(st.just("freezes"), st.timedeltas(timedelta(hours=1), timedelta(days=3))),
    st.tuples(st.sampled_from(["with_person", "paused", "unreachable", "bounced"]), st.booleans()),
    st.tuples(st.just("template"), st.sampled_from(["approved", "paused", "disabled", "pending", None])),
)
MESSAGES = st.fixed_dictionaries({
    "category": st.sampled_from(["service", "utility", "marketing"]),
    "asked_for": st.booleans(),
    "by_person": st.booleans(),
    "has_text": st.booleans(),
})  # fmt: skip


def _facts(world: World, phone: str | None, message: dict[str, Any]) -> Facts:
    return Facts(
        now=world.now,
        opted_out=opted_out_scope(world.granted),
        opted_in=world.granted.get("marketing") is True,
        with_person=world.with_person,
        paused=("this studio (drill)",) if world.paused else (),
        window_closes_at=None if world.last_inbound is None else world.last_inbound + WINDOW,
        template_state=world.template,
        waits_for_template=True,
        country="US" if phone and phone.startswith("+1") else "NL",
        zones=plausible_zones(None, phone, "Europe/Amsterdam"),
        unreachable=world.unreachable,
        marketing_frozen_until=world.frozen_until,
        marketing_sent=world.sent,
        marketing_a_day=1,
        marketing_a_week=2,
        sms=SmsFacts(has_text=message["has_text"], registered=False) if phone else None,
        email=EmailFacts(
            has_text=message["has_text"], can_receive=not world.bounced, agreed=world.granted.get("email")
        ),
        **message,
    )


def _may_go(world: World, facts: Facts, verdict: Verdict) -> None:
    granted = world.granted
    assert granted.get("all") is not False
    assert not world.paused
    assert not (world.with_person and not facts.by_person)
    if facts.category == "marketing":
        assert granted.get("marketing") is True
        assert world.frozen_until is None or world.now >= world.frozen_until or verdict.channel != "whatsapp"
        assert sum(moment > world.now - timedelta(days=1) for moment in world.sent) < 1 or verdict.channel == "sms"
    if verdict.channel == "email":
        assert granted.get("email") is True
        assert not world.bounced
        assert facts.category != "service"
        return
    if not (facts.asked_for or facts.by_person):
        assert not is_quiet(world.now, facts.zones)
    if verdict.channel == "sms":
        assert granted.get("marketing") is True
        assert facts.country != "US"
    elif verdict.form == "text":
        assert world.last_inbound is not None
        assert world.now < world.last_inbound + timedelta(hours=24)
    else:
        assert world.template == "approved"


@settings(max_examples=150)
@given(st.sampled_from(PHONES), st.lists(EVENTS | MESSAGES, max_size=14), MESSAGES)
def test_no_order_of_events_leads_to_a_message_that_may_not_go(
    phone: str | None, happenings: list[Any], last: dict[str, Any]
) -> None:
    world = World()
    for one in [*happenings, last]:
        if isinstance(one, tuple):
            world = _lives(world, one)
            continue
        facts = _facts(world, phone, one)
        verdict = decide(facts)
        kept = json.loads(json.dumps([facts.model_dump(mode="json"), verdict.model_dump(mode="json")]))
        assert decide(Facts.model_validate(kept[0])) == Verdict.model_validate(kept[1]) == verdict
        if verdict.action == "send":
            _may_go(world, facts, verdict)
            if facts.category == "marketing":
                world = replace(world, sent=(*world.sent, world.now))
        else:
            assert verdict.reasons
            assert verdict.until is None or verdict.until > world.now
