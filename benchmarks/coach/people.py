"""Studios and the leads they coach. What belongs here: making a great many, as the product itself would leave them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import psycopg

from benchmarks.coach.plan import Plan
from pilar.coach.defaults import training_logic
from pilar.workspaces.configuration import StudioConfiguration, StudioProfile
from pilar.workspaces.plans import Plan as Subscribed

NOW = datetime(2026, 3, 3, 3, 50, tzinfo=UTC)
"""Ten minutes before four in the morning in London: nobody has had their good morning yet."""

_STUDIOS = """
insert into workspace (workspace_id, name, state, plan, country, time_zone, created_at)
select gen_random_uuid(), 'Studio ' || n, 'active', 'PRO', 'NL',
       (array['Europe/Amsterdam', 'Europe/Berlin', 'Europe/London', 'America/New_York', 'Asia/Tokyo'])[1 + n %% 5],
       %(now)s
from generate_series(1, %(studios)s) n
"""

_CONFIGURATIONS = """
insert into workspace_configuration (workspace_id, version, document, changed_by, note, created_at)
select workspace_id, 1, cast(%(document)s as jsonb), 'benchmark', '', %(now)s from workspace
"""

_LEADS = """
insert into lead (workspace_id, id, provider_user_id, phone, name, language, country, time_zone, tags, properties,
                  lifecycle, source, created_at)
select w.workspace_id, gen_random_uuid(), n::text, '+316' || lpad(n::text, 8, '0'), 'Lead ' || n, 'nl', 'NL',
       case when n %% 10 = 0 then 'America/Los_Angeles' when n %% 10 = 1 then 'Asia/Kolkata' end, '[]', '{}', 'lead',
       'whatsapp', %(now)s
from workspace w cross join generate_series(1, %(leads)s) n
"""

# Of ten, six are coached daily, three weekly and one every other week; half have named an hour. One in four has a goal.
_ENROLMENTS = """
insert into coach_enrolment (workspace_id, lead_id, frequency, time_of_day, motivation_style, enrolled_at, phone_zones)
select workspace_id, id,
       case when provider_user_id::int %% 10 < 6 then 'daily' when provider_user_id::int %% 10 < 9 then 'weekly'
            else 'bi-weekly' end,
       case when provider_user_id::int %% 2 = 0 then lpad((8 + provider_user_id::int %% 12)::text, 2, '0') || ':30' end,
       'encouraging', %(now)s, array['Europe/Amsterdam']
from lead
"""

_GOALS = """
insert into coach_goal (workspace_id, id, lead_id, type, target, progress, state, created_at, changed_at)
select workspace_id, gen_random_uuid(), id, 'endurance', 'ten kilometres', 20, 'active', %(now)s, %(now)s
from lead where provider_user_id::int %% 4 = 0
"""

_STATES = """
insert into coach_state (workspace_id, lead_id, last_training_at, longest_pause_days)
select workspace_id, id, cast(%(now)s as timestamptz) - make_interval(days => provider_user_id::int %% 20), 7
from lead where provider_user_id::int %% 2 = 0
"""


def settle(url: str, plan: Plan) -> int:
    """Fill a fresh database with studios that have the training logic of a new one, and leads who are coached.

    Returns:
        How many leads are coached.
    """
    document = StudioConfiguration(
        plan=Subscribed.PRO,
        studio=StudioProfile(name="Studio", country="NL", time_zone="Europe/Amsterdam"),
        coaching=training_logic(),
    )
    values = {
        "now": NOW,
        "studios": plan.studios,
        "leads": plan.leads,
        "document": json.dumps(document.model_dump(mode="json")),
    }
    with psycopg.connect(url) as connection:
        # What refers to what is right by how it is made; checking it for millions of rows would take minutes.
        connection.execute("set local session_replication_role = replica")
        for statement in (_STUDIOS, _CONFIGURATIONS, _LEADS, _ENROLMENTS, _GOALS, _STATES):
            connection.execute(statement, values)
    return plan.studios * plan.leads
