"""Limits that pass with time: the rule, the arithmetic of pace, and both on the way to WhatsApp."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from pilar.database.engine import Scope
from pilar.messaging import pace
from pilar.messaging.decisions import EmailFacts, Facts, SmsFacts, Verdict
from pilar.messaging.verdict import decide
from pilar.messaging.verdict_holds import LOOKED_AT_AGAIN
from tests.fixtures.opened import Studio
from tests.messaging.test_reactions import _lead, _nudge, _of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=5)


def _decide(**changes: Any) -> Verdict:
    usual: dict[str, Any] = {
        "now": NOON, "category": "marketing", "opted_in": True, "zones": ("Europe/Amsterdam",), "country": "NL",
        "template_state": "approved", "has_text": False, "real_now": NOON,
    }  # fmt: skip
    return decide(Facts(**(usual | changes)))


@pytest.mark.parametrize(
    ("changes", "code", "until"),
    [
        ({"people_limit": 250, "people_reached": 250, "people_free_at": LATER}, "people_limit", LATER),
        ({"people_limit": 250, "people_reached": 250, "is_reached": True}, None, None),
        ({"people_limit": None, "people_reached": 9_999}, None, None),
        ({"marketing_frozen_until": LATER}, "marketing_frozen", LATER),
        ({"marketing_frozen_until": LATER, "category": "utility"}, None, None),
        ({"marketing_waits_until": LATER}, "marketing_waits", LATER),
        ({"restricted": "locked", "restricted_until": LATER}, "restricted", LATER),
        ({"restricted": "locked"}, "restricted", NOON + LOOKED_AT_AGAIN),
        ({"restricted": "locked", "restricted_until": NOON}, None, None),
        (
            {"marketing_a_day": 1, "marketing_sent": (NOON - timedelta(hours=20),)},
            "frequency",
            NOON + timedelta(hours=4),
        ),
        ({"marketing_a_day": 1, "marketing_sent": (NOON - timedelta(hours=25),)}, None, None),
        (
            {"marketing_a_week": 2, "marketing_sent": (NOON - timedelta(days=6), NOON - timedelta(days=2))},
            "frequency",
            NOON + timedelta(days=1),
        ),
        ({"refusal_unclear_since": NOON}, "refusal_unclear", NOON + LOOKED_AT_AGAIN),
        ({"refusal_unclear_since": NOON, "category": "utility"}, None, None),
        ({"template_state": "paused", "waits_for_template": True}, "template_paused", None),
    ],
)
def test_a_limit_keeps_back_until_it_passes(changes: dict[str, Any], code: str | None, until: datetime | None) -> None:
    verdict = _decide(**changes)
    assert verdict.action == ("hold" if code else "send")
    assert [reason.code for reason in verdict.reasons] == ([code] if code else [])
    assert verdict.until == until


@pytest.mark.parametrize(("clocks_set", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_moving_day_is_as_long_as_the_leads_clocks_make_it(clocks_set: date, hours: int) -> None:
    evening = datetime.combine(clocks_set, time(18, 45), ZoneInfo("Europe/Amsterdam")).astimezone(UTC)
    changes = {"marketing_a_day": 1, "marketing_sent": (evening - timedelta(hours=hours),)}
    assert _decide(now=evening, **changes).action == "send"
    assert _decide(now=evening - timedelta(minutes=1), **changes).until == evening
    # Who may be elsewhere, where no clock was set, waits for the later of the two.
    assert _decide(now=evening, **changes, zones=("Europe/Amsterdam", "Africa/Lagos")).until == (
        evening + timedelta(hours=1) if hours < 24 else None
    )


def test_a_rate_keeps_back_by_real_time_and_a_longer_limit_before_it() -> None:
    verdict = _decide(pair_free_at=LATER, number_free_at=NOON + timedelta(seconds=1))
    assert (verdict.action, verdict.until, verdict.real_until) == ("hold", None, LATER)
    assert _decide(pair_free_at=LATER, marketing_frozen_until=LATER).real_until is None


def test_an_sms_goes_only_where_whatsapp_never_will_and_the_lead_agreed() -> None:
    can = {"unreachable": True, "sms": SmsFacts()}
    assert (_decide(**can).action, _decide(**can).channel) == ("send", "sms")
    assert _decide(**can, opted_out="all").channel == "whatsapp"
    assert _decide(**can, now=NOON.replace(hour=3)).action == "refuse"
    assert _decide(sms=SmsFacts(), template_state=None).action == "refuse", "a missing template is no reason for SMS"
    for changes, code in (
        ({"registered": False}, "sms_not_registered"),
        ({"can_receive": False}, "sms_unreachable"),
        ({"number_connected": False}, "sms_no_number"),
        ({"has_text": False}, "sms_no_text"),
    ):
        assert _decide(unreachable=True, sms=SmsFacts(**changes)).reasons[-1].code == code
    assert _decide(unreachable=True, sms=SmsFacts(), category="service", opted_in=False).action == "refuse"
    assert _decide(unreachable=True, sms=SmsFacts(paused=("x",))).action == "hold"
    assert _decide(unreachable=True, sms=SmsFacts(), refusal_unclear_since=NOON).action == "hold"
    assert _decide(unreachable=True).action == "refuse"


def test_an_email_goes_only_to_who_agreed_to_email_and_where_no_sms_may() -> None:
    mail = EmailFacts(agreed=True)
    can: dict[str, Any] = {"unreachable": True, "email": mail}
    assert (_decide(**can).action, _decide(**can).channel, _decide(**can).form) == ("send", "email", "text")
    assert _decide(**can, sms=SmsFacts()).channel == "sms"
    assert _decide(**can, sms=SmsFacts(can_receive=False)).channel == "email"
    assert _decide(email=mail).channel == "whatsapp"
    for changes, code in (
        ({"agreed": None}, "email_no_consent"),
        ({"agreed": False}, "email_opted_out"),
        ({"agreed": True, "has_text": False}, "email_no_text"),
        ({"agreed": True, "can_receive": False}, "email_no_address"),
    ):
        assert _decide(unreachable=True, email=EmailFacts(**changes)).reasons[-1].code == code
    against: list[tuple[dict[str, Any], str]] = [
        ({"opted_out": "marketing"}, "opted_out"),
        ({"now": NOON.replace(hour=3)}, "quiet_hours"),
        ({"category": "service"}, "email_not_for_answers"),
    ]
    for more, code in against:
        assert (found := _decide(**can, **more)).action == "refuse" and code in [one.code for one in found.reasons]
    held: list[tuple[dict[str, Any], str]] = [
        ({"email": mail.model_copy(update={"paused": ("x",)})}, "paused"),
        ({"marketing_a_day": 1, "marketing_sent": (NOON - timedelta(hours=1),)}, "frequency"),
        ({"over_budget": "queue", "budget_resets_at": LATER}, "budget"),
    ]
    for more, code in held:
        found = _decide(**{**can, **more})
        assert (found.action, found.channel, found.reasons[0].code) == ("hold", "email", code)
    assert _decide(unreachable=True, email=mail.model_copy(update={"dry_run": True})).action == "dry_run"


# As releases before the limits kept them.
OLD: list[dict[str, Any]] = [
    {"facts": {"now": "2026-03-02T12:00:00Z", "category": "marketing", "opted_in": True, "template_state": "paused",
               "window_closes_at": None, "zones": ["Europe/Amsterdam"], "country": "NL"},
     "decision": {"action": "refuse", "form": None, "until": None, "reasons": [
         {"code": "window_closed", "sentence": "The 24-hour window is closed: free text is not allowed now."},
         {"code": "template_not_approved", "sentence": "Its template is paused, and only approved ones may be sent."}]}},
    {"facts": {"now": "2026-03-02T12:00:00Z", "category": "service", "asked_for": True, "zones": [],
               "window_closes_at": "2026-03-02T18:00:00Z", "sent_today": 3, "daily_limit": 500},
     "decision": {"action": "send", "form": "text", "until": None, "reasons": []}},
    {"facts": {"now": "2026-03-02T12:00:00Z", "category": "service", "asked_for": True, "over_budget": "queue",
               "window_closes_at": "2026-03-02T18:00:00Z", "budget_resets_at": "2026-03-02T13:00:00Z"},
     "decision": {"action": "hold", "form": None, "until": "2026-03-02T13:00:00Z", "reasons": [
         {"code": "budget", "sentence": "The plan's budget of messages is used up until it resets."}]}},
]  # fmt: skip


@pytest.mark.parametrize("kept", OLD)
def test_a_verdict_of_an_older_release_replays_to_the_same_answer(kept: dict[str, Any]) -> None:
    assert decide(Facts.model_validate(kept["facts"])) == Verdict.model_validate(kept["decision"])


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=120))
def test_no_pace_lets_more_through_than_its_burst_and_its_rate(waits_ms: list[int]) -> None:
    now, due = NOON, None
    went: list[datetime] = []
    for wait in waits_ms:
        now += timedelta(milliseconds=wait)
        if due is None or pace.PAIR.free_at(due) <= now:
            due = pace.PAIR.after(due, now)
            went.append(now)
    for start in went:
        within = sum(start <= moment < start + timedelta(minutes=1) for moment in went)
        assert within <= pace.PAIR.burst + 10


def test_what_a_pair_and_a_portfolio_may_not_have_now_goes_later_in_its_order(studio: Studio) -> None:
    system = studio.system
    lead, other = _lead(studio, "+31687650001"), _lead(studio, "+31687650002")
    with system.database.transaction(Scope.fleet()) as connection:
        due = {"s": f"pair:{studio.id}:{lead}", "due": system.clock.now() + timedelta(seconds=6 * 60)}
        connection.execute(text("insert into send_bucket values (:s, :due, 0)"), due)
        values = {"w": studio.id, "now": system.business.now()}
        standing = "insert into number_standing (workspace_id, quality, messaging_limit, throughput, changed_at)"
        connection.execute(text(f"{standing} values (:w, 'green', 1, 80, :now)"), values)
        # The test message to the owner was the only one that the portfolio had room for.
        connection.execute(text("update message set attempted_at = attempted_at - interval '2 days'"))
    for number in range(2):
        _nudge(studio, lead, f"paced:{number}")
    assert _of(studio, lead, "state") == [("read",), ("read",)]
    accepted = system.column(f"select accepted_at from message where lead_id = '{lead}' order by id")
    assert accepted == sorted(accepted)
    _nudge(studio, other, "beyond")
    why = "state, verdict -> 'decision' -> 'reasons' -> 0 ->> 'code'"
    assert _of(studio, other, why) == [("held", "people_limit")]
    system.travel_to(system.business.now() + timedelta(hours=24, minutes=5))
    system.settle()
    assert _of(studio, other, "state") == [("read",)]
