"""What the hourly look at engagement costs. What belongs here: three months of nudges and answers, and measuring it.

It looks at each coached lead's nudges of 90 days, so it costs by their number: told by studio, and what a whole
run of the bar's fleet comes to. What became of a nudge is kept within a day of looks; so a day is let pass in between.
"""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg

from benchmarks.coach.people import settle
from benchmarks.coach.plan import Plan
from benchmarks.coach.planning import processor_seconds
from benchmarks.queue.server import Server, settle_down
from benchmarks.report import Bar, Figure, progress
from pilar.clocks import Clocks, ManualClock, system_clocks
from pilar.coach.analysing import analyse
from pilar.database.engine import Database, Scope
from pilar.workspaces.chunks import in_chunks
from pilar.workspaces.fleet import open_workspaces

NOW = datetime(2026, 3, 3, 3, 50, tzinfo=UTC)
FLEET = 10_000
"""Studios of the bar's fleet."""
MINUTES = 5
"""What an hourly run of the whole fleet may take."""

# Every other day each lead gets a nudge, and answers a third of them: more than who is written to at their own pace.
_NUDGES = """
insert into coach_nudge (workspace_id, id, lead_id, type, local_day, time_zone, due_at, planned_at, message_id)
select workspace_id, gen_random_uuid(), lead_id, 'morning_nudge', cast(at as date), 'Europe/Amsterdam', at, at,
       gen_random_uuid()
from coach_enrolment
cross join generate_series(1, %(nudges)s) n
cross join lateral (select cast(%(now)s as timestamptz) - make_interval(days => 2 * n, hours => -4) as at) moment
"""
_SENT = """
insert into message (workspace_id, id, lead_id, direction, kind, state, category, origin, cause, verdict, occurred_at,
                     attempted_at, accepted_at)
select workspace_id, message_id, lead_id, 'out', 'template', 'read', 'marketing', 'coach:morning_nudge', 'nudge:' || id,
       '{"facts": {"zones": ["Europe/Amsterdam"]}, "decision": {"form": "template"}}', due_at, due_at, due_at
from coach_nudge
"""
_ANSWERS = """
insert into message (workspace_id, id, lead_id, direction, kind, state, origin, cause, occurred_at)
select workspace_id, gen_random_uuid(), lead_id, 'in', 'text', 'received', 'lead', 'in:' || id,
       due_at + interval '40 minutes'
from coach_nudge where extract(day from due_at)::int %% 3 = 0
"""
_THREADS = """
insert into conversation
  (workspace_id, lead_id, mode, mode_since, mode_reason, last_inbound_at, last_message_at, unread)
select workspace_id, lead_id, 'bot', max(occurred_at), '', max(occurred_at), max(occurred_at), 0
from message where direction = 'in' group by 1, 2
"""


def engagement(server: Server, counts: Plan) -> list[Figure]:
    """Look at a fleet's engagement for the first time, each hour for a day, and then once more."""
    first, later, busy = [], [], []
    for number in range(1, counts.rounds + 1):
        url = server.ours("coach_engagement")
        leads = settle(url, counts.of_engagement())
        with psycopg.connect(url) as connection:
            connection.execute("set local session_replication_role = replica")
            for statement in (_NUDGES, _SENT, _ANSWERS, _THREADS):
                connection.execute(statement, {"now": NOW, "nudges": counts.engagement_nudges})
        settle_down(url)
        progress(f"engagement, round {number}: {leads:,} leads and their nudges are there")
        with closing(Database(url)) as database:
            first.append(_looked(database, NOW - timedelta(hours=24)))
            for hour in range(23, 0, -1):
                _looked(database, NOW - timedelta(hours=hour))
            settle_down(url)
            before = processor_seconds(url)
            later.append(_looked(database, NOW))
            busy.append(processor_seconds(url) - before)
        progress(f"engagement, round {number}: {first[-1]:.3g} s, and {later[-1]:.3g} s a day later")
        server.drop("coach_engagement")
    of = f"{counts.engagement_studios:,} studios of {counts.leads} leads with {counts.engagement_nudges} nudges each"
    studios = counts.engagement_studios
    return [
        Figure(f"engagement of {of}: first look, by studio", "ms", tuple(1_000 * one / studios for one in first)),
        Figure(f"engagement of {of}: hourly look, by studio", "ms", tuple(1_000 * one / studios for one in later)),
        Figure(
            f"engagement of {of}: processor time of that, all processes, by studio",
            "ms",
            tuple(1_000 * one / studios for one in busy),
        ),
        Figure(
            f"engagement: an hourly look at {FLEET:,} such studios, reckoned",
            "min",
            tuple(one / studios * FLEET / 60 for one in later),
            Bar(MINUTES, at_most=True, is_goal=True),
        ),
    ]


def _looked(database: Database, now: datetime) -> float:
    clocks = Clocks(business=ManualClock(now), real=system_clocks().real)
    began = time.perf_counter()
    with database.transaction(Scope.fleet()) as connection:
        studios = open_workspaces(connection)
    done = in_chunks(database, studios, lambda connection, chunk: analyse(connection, clocks, chunk))
    if done.failed:
        raise RuntimeError(f"looking failed: {next(iter(done.failed.values()))}")
    return time.perf_counter() - began
