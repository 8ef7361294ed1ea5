"""Whether and how a message may go: the rule by itself, and what holds whatever the facts are."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.messaging import states
from pilar.messaging.decisions import Facts
from pilar.messaging.verdict import decide
from pilar.messaging.wording import Wish, wish_of
from pilar.messaging.zones import country_of, is_quiet, plausible_zones

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OPEN = NOON + timedelta(hours=3)


def _facts(**changes: Any) -> Facts:
    usual: dict[str, Any] = {"now": NOON, "category": "marketing", "opted_in": True, "zones": ("Europe/Amsterdam",)}
    return Facts(**(usual | changes))


def _codes(**changes: Any) -> list[str]:
    verdict = decide(_facts(**changes))
    assert verdict.action == "refuse"
    return [reason.code for reason in verdict.reasons]


def test_free_text_goes_in_an_open_window_and_an_approved_template_outside() -> None:
    assert decide(_facts(window_closes_at=OPEN, template_state="approved")).form == "text"
    assert decide(_facts(window_closes_at=NOON, template_state="approved")).form == "template"
    assert decide(_facts(window_closes_at=OPEN, has_text=False, template_state="approved")).form == "template"
    assert _codes(window_closes_at=NOON) == ["window_closed", "no_template"]
    assert _codes(window_closes_at=NOON, template_state="paused") == ["window_closed", "template_not_approved"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"opted_out": "all"}, "opted_out"),
        ({"opted_out": "marketing"}, "opted_out"),
        ({"opted_in": False}, "no_consent"),
        ({"with_person": True}, "with_person"),
        ({"now": NOON.replace(hour=5)}, "quiet_hours"),
        ({"zones": ("Europe/Amsterdam", "America/Los_Angeles")}, "quiet_hours"),
        ({"number_connected": False}, "no_number"),
        ({"whatsapp_on": False}, "whatsapp_off"),
        ({"studio_open": False}, "studio_closed"),
        ({"sent_today": 5, "daily_limit": 5}, "daily_limit"),
        ({"over_budget": "drop"}, "budget"),
    ],
)
def test_each_reason_keeps_a_nudge_back(changes: dict[str, Any], code: str) -> None:
    assert _codes(**{"window_closes_at": OPEN + timedelta(days=1)} | changes) == [code]


def test_marketing_templates_do_not_go_to_the_united_states() -> None:
    assert _codes(country="US", template_state="approved") == ["window_closed", "country"]
    assert decide(_facts(country="US", category="utility", template_state="approved")).form == "template"


def test_an_answer_goes_at_any_hour_but_never_to_who_opted_out() -> None:
    answer = {"category": "service", "asked_for": True, "window_closes_at": NOON + timedelta(days=1)}
    assert decide(_facts(**answer, now=NOON.replace(hour=3))).action == "send"
    assert _codes(**answer, opted_out="all") == ["opted_out"]
    assert decide(_facts(**answer, opted_out="all", confirms_opt_out=True)).action == "send"


def test_a_pause_and_a_full_budget_keep_messages_for_later_and_a_dry_run_only_records() -> None:
    usual = {"window_closes_at": OPEN}
    assert decide(_facts(**usual, paused=("the whole fleet (drill)",))).action == "hold"
    held = decide(_facts(**usual, over_budget="queue", budget_resets_at=OPEN))
    assert (held.action, held.until) == ("hold", OPEN)
    assert decide(_facts(**usual, dry_run=True)).action == "dry_run"
    assert decide(_facts(**usual, dry_run=True, opted_out="all")).action == "refuse"


# Hypothesis adds the zone by itself, and wants bounds without one.
ANY_MOMENT = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001

ANY_FACTS = st.builds(
    Facts,
    now=ANY_MOMENT,
    category=st.sampled_from(["service", "utility", "marketing"]),
    asked_for=st.booleans(),
    confirms_opt_out=st.booleans(),
    by_person=st.booleans(),
    studio_open=st.booleans(),
    whatsapp_on=st.booleans(),
    number_connected=st.booleans(),
    paused=st.sampled_from([(), ("this studio (drill)",)]),
    dry_run=st.booleans(),
    opted_out=st.sampled_from([None, "marketing", "all"]),
    opted_in=st.booleans(),
    with_person=st.booleans(),
    window_closes_at=st.none() | ANY_MOMENT,
    has_text=st.booleans(),
    template_state=st.sampled_from([None, "approved", "pending", "paused"]),
    country=st.sampled_from([None, "NL", "US"]),
    zones=st.sampled_from([("Europe/Amsterdam",), ("America/New_York", "America/Los_Angeles")]),
    over_budget=st.sampled_from([None, "queue", "drop", "degrade"]),
)


@given(ANY_FACTS)
def test_whatever_the_facts_what_goes_is_allowed_and_what_does_not_has_a_reason(facts: Facts) -> None:
    verdict = decide(facts)
    if verdict.action != "send":
        assert verdict.reasons or verdict.action == "dry_run"
        return
    assert facts.opted_out != "all" or facts.confirms_opt_out
    assert facts.category != "marketing" or (facts.opted_in and facts.opted_out is None)
    if verdict.form == "text":
        assert facts.window_closes_at is not None
        assert facts.now < facts.window_closes_at
    else:
        assert facts.template_state == "approved"
    if not (facts.asked_for or facts.by_person):
        assert not is_quiet(facts.now, facts.zones)


@given(ANY_FACTS)
def test_a_stored_verdict_replays_to_the_same_answer(facts: Facts) -> None:
    stored = json.loads(json.dumps(facts.model_dump(mode="json")))
    assert decide(Facts.model_validate(stored)) == decide(facts)


STATUSES = ("accepted", "sent", "delivered", "read")


@pytest.mark.parametrize("order", list(permutations(STATUSES)))
def test_statuses_fold_to_the_same_state_in_any_order(order: tuple[str, ...]) -> None:
    state = states.ATTEMPTED
    for status in order:
        state = states.fold(state, status)
    assert state == "read"


def test_delivered_outweighs_failed_and_what_was_refused_stays_refused() -> None:
    assert states.fold("failed", "delivered") == "delivered"
    assert states.fold("delivered", "failed") == "delivered"
    assert states.fold("refused", "sent") == "refused"
    assert states.fold("sent", "played") == "sent"


@pytest.mark.parametrize(
    "text",
    ["STOP", "stop.", "  Stop! ", "Unsubscribe", "opt-out", "Afmelden", "Stopp", "ARRÊT", "desabonner", "Baja", "Sair",
     "Basta", "please don't text me anymore", "Stop maar met berichten", "geen berichten meer aub",
     "Bitte keine Nachrichten mehr", "Ne m'écrivez plus", "no me escriban más"],
)  # fmt: skip
def test_a_refusal_counts_in_any_reasonable_wording(text: str) -> None:
    assert wish_of(text) is Wish.STOP


@pytest.mark.parametrize(
    "text",
    ["Can I stop by tomorrow?", "What does it cost?", "I can't stop training!", "Waar kan ik parkeren?", "", None,
     "My bus stops at your door", "When does my membership end?"],
)  # fmt: skip
def test_an_ordinary_message_is_no_refusal(text: str | None) -> None:
    assert wish_of(text) is None


@pytest.mark.parametrize(
    "text",
    ["I want to talk to a person", "Can I speak to someone please", "Ik wil een medewerker spreken",
     "Ich möchte mit einem Menschen sprechen"],
)  # fmt: skip
def test_who_asks_for_a_person_is_understood(text: str) -> None:
    assert wish_of(text) is Wish.PERSON


def test_a_number_tells_where_somebody_may_be() -> None:
    assert plausible_zones("Europe/Madrid", "+31612345678", "UTC") == ("Europe/Madrid",)
    assert plausible_zones(None, "+31612345678", "UTC") == ("Europe/Amsterdam",)
    assert plausible_zones(None, None, "Europe/Berlin") == ("Europe/Berlin",)
    assert len(plausible_zones(None, "+18005550100", "UTC")) > 1
    assert (country_of("+31612345678"), country_of("no number"), country_of(None)) == ("NL", None, None)
