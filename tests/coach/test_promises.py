"""What coaching promises: each check is green over a life that keeps it, and red over one that does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pilar.backplane.breaches import find_breaches
from pilar.database.engine import Scope
from tests.coach.conftest import Gym
from tests.coach.test_engagement import mornings, sent

PLANTED = {
    "nobody_is_written_to_after_opting_out": "insert into consent (workspace_id, id, lead_id, scope, granted, source, proof,"
    " recorded_at) select workspace_id, gen_random_uuid(), id, 'marketing', false, 'wording', 'x', '2026-03-03 06:00Z'"
    " from lead",
    "free_text_keeps_to_the_window": """update message set verdict = '{"decision": {"form": "text"}, "facts":
    {"zones": ["Europe/Amsterdam"], "window_closes_at": "2026-03-03T06:00:00Z"}}'""",
    "nobody_is_coached_in_quiet_hours": "update message set attempted_at = '2026-03-03 05:00Z'",
    "a_lead_gets_a_nudge_once_a_day": "insert into message (workspace_id, id, lead_id, direction, kind, state, category,"
    " origin, cause, verdict, occurred_at, attempted_at, accepted_at) select workspace_id, gen_random_uuid(), lead_id,"
    " direction, 'template', 'read', category, origin, cause || '\\:as-template', verdict, occurred_at, attempted_at,"
    " accepted_at from message",
    "nobody_is_nudged_who_is_paused": "update coach_enrolment set paused_at = '2026-03-03 06:00Z'",
    "nobody_is_written_to_more_often_than_they_chose": "update coach_enrolment set slowed_to = 'daily'",
}


@pytest.mark.parametrize("broken", list(PLANTED))
def test_a_promise_turns_red_when_it_is_broken(gym: Gym, broken: str) -> None:
    studio = gym.studio()
    sent(gym, studio, gym.coached(studio), *mornings(1))
    gym.business.advance(timedelta(days=1))
    promises = {one.name: one for one in gym.app.invariants}

    def red() -> set[str]:
        with gym.database.transaction(Scope.fleet()) as connection:
            return {name for name in PLANTED if find_breaches(connection, gym.app.clocks, promises[name]).rows}

    assert red() == set()
    gym.change(PLANTED[broken])
    assert broken in red()


def test_a_nudge_whose_zones_nobody_asked_for_is_a_breach_too(gym: Gym) -> None:
    studio = gym.studio()
    sent(gym, studio, gym.coached(studio), *mornings(1))
    gym.change("update message set verdict = verdict #- '{facts,zones}'")
    quiet = next(one for one in gym.app.invariants if one.name == "nobody_is_coached_in_quiet_hours")
    with gym.database.transaction(Scope.fleet()) as connection:
        assert find_breaches(connection, gym.app.clocks, quiet).count == 1
