"""What is kept of nudges: whatever happens, a look comes to what it would come to from the messages alone."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from pilar.backplane.facts import Cause
from pilar.coach import engagement_store, outcome_store
from pilar.coach.activity import ANSWERED_WITHIN
from pilar.coach.people_store import ROOM
from pilar.database.engine import Scope
from pilar.messaging import merging
from pilar.messaging.reactions import AS_TEMPLATE
from pilar.people import About
from tests.coach.conftest import Gym
from tests.coach.test_engagement import sent, writes

KEPT = "select count(*) from coach_nudge where outcome_at is not null"
# Of one of the nudges that are young enough, or of one that is not.
_CHANGES = {
    "late failure": "update message m set state = 'failed', error_code = '131026'",
    "read after all": "update message m set state = 'read', accepted_at = coalesce(accepted_at, attempted_at)",
    "in doubt": "update message m set state = 'unknown', accepted_at = null",
    "never taken": "update message m set state = 'failed', accepted_at = null",
    "held": "update message m set state = 'held', accepted_at = null, attempted_at = null",
}
_WHICH = """
from (select n.message_id from coach_nudge n where n.due_at {age} :edge
      order by n.local_day, n.lead_id offset :at limit 1) one
where m.id = one.message_id
"""
_AS_TEMPLATE = """
insert into message (workspace_id, id, lead_id, direction, kind, state, category, origin, cause, verdict, occurred_at,
                     attempted_at, accepted_at)
select workspace_id, gen_random_uuid(), lead_id, direction, kind, 'delivered', category, origin, cause || :suffix,
       verdict, occurred_at + interval '1 hour', attempted_at + interval '1 hour', attempted_at + interval '1 hour'
from message m where m.state = 'failed' and starts_with(m.cause, 'nudge:') and right(m.cause, length(:suffix)) <> :suffix
  and m.occurred_at {age} :edge
on conflict do nothing
"""


def looked(gym: Gym, studio: UUID, *, anew: bool = False) -> pd.DataFrame:
    """What a look comes to; anew: with nothing that is kept."""
    with gym.database.transaction(Scope.fleet()) as connection:
        nested = connection.begin_nested()
        if anew:
            connection.execute(text("update coach_nudge set outcome_at = null, sent_at = null, answered_at = null"))
        found = engagement_store.look(connection, [studio], gym.business.now(), ANSWERED_WITHIN)
        nested.rollback()
    return found


def a_day_of_looks(gym: Gym, studio: UUID) -> int:
    """Keep what each hour of a day has its turn for; return of how many that was news."""
    news = 0
    with gym.database.transaction(Scope.fleet()) as connection:
        for _ in range(24):
            gym.business.advance(timedelta(hours=1))
            news += outcome_store.keep(connection, [studio], gym.business.now(), ANSWERED_WITHIN)
    return news


def merged(gym: Gym, studio: UUID, stays: UUID, goes: UUID) -> None:
    with gym.database.transaction(Scope.fleet()) as connection:
        assert merging.merge(
            connection, gym.app.clocks, gym.app.people, studio, stays, goes, "owner:1", "The same.", Cause.new()
        )


def assert_same(gym: Gym, studio: UUID) -> None:
    pd.testing.assert_frame_equal(looked(gym, studio), looked(gym, studio, anew=True), rtol=1e-12)


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["answer", "as template", "pause", *_CHANGES]), st.integers(0, 9), st.integers(0, 900)),
    max_size=5,
)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(OPERATIONS, OPERATIONS), min_size=2, max_size=3), st.integers(0, 3))
def test_what_is_kept_changes_no_look_and_what_comes_very_late_is_found_within_a_day(
    gym: Gym, weeks: list[tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]], merges_in: int
) -> None:
    studio = gym.studio()
    leads = [gym.coached(studio, f"+3161234560{n}") for n in range(2)]

    def happens(operation: str, at: int, minutes: int, *, late: bool) -> None:
        edge = gym.business.now() - timedelta(days=6)
        if operation == "answer":
            days = timedelta(days=at + 7 if late else at % 6)
            writes(gym, studio, leads[at % len(leads)], gym.business.now() - days - timedelta(minutes=minutes))
        elif operation == "pause":
            gym.change("update coach_enrolment set paused_at = :now, pace_at = :now", now=gym.business.now())
        elif operation == "as template":
            gym.change(_AS_TEMPLATE.format(age="<" if late else ">="), edge=edge, suffix=AS_TEMPLATE)
        else:
            gym.change(_CHANGES[operation] + _WHICH.format(age="<" if late else ">="), edge=edge, at=at)

    for week, (early, late) in enumerate(weeks):
        for n, lead in enumerate(leads):
            sent(gym, studio, lead, *(gym.business.now() + timedelta(days=day, hours=1 + n) for day in range(5)))
        gym.business.advance(timedelta(days=5))
        for one in early:
            happens(*one, late=False)
        if week == merges_in:
            merged(gym, studio, leads[0], leads.pop())
        assert_same(gym, studio)
        for one in late:
            happens(*one, late=True)
        gym.business.advance(timedelta(days=3))
        a_day_of_looks(gym, studio)
        assert_same(gym, studio)
    assert gym.rows(KEPT)[0][0] > 0


def test_who_is_merged_or_forgotten_is_found_anew(gym: Gym) -> None:
    studio = gym.studio()
    stays, goes = gym.coached(studio), gym.coached(studio, "+31687654321")
    asked = gym.business.now() + timedelta(hours=1)
    sent(gym, studio, stays, asked)
    writes(gym, studio, goes, asked + timedelta(minutes=5))
    gym.business.advance(timedelta(days=9))
    assert (a_day_of_looks(gym, studio), a_day_of_looks(gym, studio)) == (1, 0), "once"
    assert gym.rows("select sent_at, answered_at from coach_nudge") == [(asked, None)]
    merged(gym, studio, stays, goes)
    assert looked(gym, studio)["answered"].tolist() == [1], "what the other wrote is an answer now"
    assert a_day_of_looks(gym, studio) == 1
    with gym.database.transaction(Scope.fleet()) as connection:
        assert ROOM.erase is not None
        ROOM.erase(About(connection, studio, stays, gym.business.now()))
    assert gym.rows("select outcome_at, sent_at, answered_at from coach_nudge") == [(None, None, None)]
