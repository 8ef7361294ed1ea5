"""A morning on which many leads get their nudge at once. What belongs here: studios, leads and the businesses at Meta.

Business time is real time here, so leads are put where it is nine in the morning now.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg

from benchmarks.coach.plan import Plan
from pilar.backplane.facts import Cause, Job, Lane, enqueue
from pilar.clocks import Clocks, SystemClock
from pilar.coach.defaults import training_logic
from pilar.coach.events import WakeNudges
from pilar.coach.texts import TEMPLATE
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.ids import new_id
from pilar.operator.projection import refresh_studios
from pilar.workspaces.configuration import CoachingConfiguration, StudioConfiguration, StudioProfile
from pilar.workspaces.credentials import seal
from pilar.workspaces.plans import Plan as Subscribed
from provider_sandbox.meta import accounts, templates
from provider_sandbox.state import State, Transaction

BODY = "Hello {{1}}, {{2}} wishes you a good morning: will we see you today?"
LANGUAGE = "nl"
KIND = "morning_nudge"
_NINE = 9
_MANY = 1_000_000

_STUDIOS = """
insert into workspace (workspace_id, name, state, plan, country, time_zone, created_at)
select gen_random_uuid(), 'Studio ' || n, 'active', 'PRO', 'NL', 'Europe/Amsterdam', %(now)s
from generate_series(1, %(studios)s) n
"""
_CONFIGURATIONS = """
insert into workspace_configuration (workspace_id, version, document, changed_by, note, created_at)
select workspace_id, 1, cast(%(document)s as jsonb), 'benchmark', '', %(now)s from workspace
"""
_TEMPLATES = """
insert into message_template (workspace_id, id, name, language, category, body, state, provider_id, created_at)
select workspace_id, gen_random_uuid(), %(template)s, %(language)s, 'marketing', %(body)s, 'approved',
       workspace_id::text, %(now)s from workspace
"""
_LIMITS = """
insert into budget_limit (workspace_id, resource, period, amount, overage)
select workspace_id, resource, period, %(many)s, 'queue'
from workspace, unnest(array['messages', 'api_calls']) resource, unnest(array['hour', 'day']) period
"""
_JOBS = """
insert into provisioning_job (workspace_id, id, steps_version, state, stripe_subscription_id, stripe_customer_id,
                              correlation_id, setup_token_hash, sealed_setup_token, setup_round, created_at,
                              completed_at)
select workspace_id, gen_random_uuid(), 1, 'completed', 'sub_' || workspace_id, 'cus_' || workspace_id,
       gen_random_uuid(), uuid_send(workspace_id), %(sealed)s, 0, %(now)s, %(now)s from workspace
"""
_LEADS = """
insert into lead (workspace_id, id, provider_user_id, phone, name, language, country, time_zone, tags, properties,
                  lifecycle, source, created_at)
select w.workspace_id, gen_random_uuid(), n::text, '+316' || lpad((w.place * %(leads)s + n)::text, 8, '0'),
       'Lead ' || n, %(language)s, 'NL', %(zone)s, '[]', '{}', 'lead', 'import', %(now)s
from (select workspace_id, row_number() over () - 1 as place from workspace) w
cross join generate_series(1, %(leads)s) n
"""
_CONSENTS = """
insert into consent (workspace_id, id, lead_id, scope, granted, source, proof, recorded_at)
select workspace_id, gen_random_uuid(), id, 'marketing', true, 'import', 'benchmark', %(now)s from lead
"""
_ENROLMENTS = """
insert into coach_enrolment (workspace_id, lead_id, frequency, motivation_style, enrolled_at, phone_zones)
select workspace_id, id, 'daily', 'encouraging', %(now)s, array[%(zone)s] from lead
"""
_INTEGRATION = """
insert into integration (workspace_id, provider, state, external_id, phone_number, phone_number_id,
                         sealed_credentials, details, updated_at)
values (%s, 'whatsapp', 'connected', %s, %s, %s, %s, '{}', %s)
"""
_NUDGES = """
insert into coach_nudge (workspace_id, id, lead_id, type, local_day, time_zone, due_at, planned_at, plan_id)
select workspace_id, gen_random_uuid(), id, %(kind)s, %(day)s, %(zone)s, %(now)s, %(now)s, %(plan)s from lead
"""


@dataclass(frozen=True)
class Morning:
    """What was made.

    Attributes:
        studios: their ids.
        leads: how many in all.
        zone: where it is nine now.
    """

    studios: list[UUID]
    leads: int
    zone: str


def settle(
    url: str,
    state: Path,
    plan: Plan,
    *,
    secret_key: str,
    app_id: str | None,
    now: datetime | None = None,
    coaching: CoachingConfiguration | None = None,
) -> Morning:
    """Fill a fresh database and a fresh sandbox with studios that are connected to each other.

    Args:
        url: the database, with PILAR's tables, empty.
        state: the sandbox's directory; the sandbox does not run yet.
        plan: how much.
        secret_key: what the product encrypts credentials with.
        app_id: Meta's id of our app, which hears of the businesses; None: nobody hears of them.
        now: business time; None: real time.
        coaching: the studios'; None: as of a new studio.
    """
    now = now or datetime.now(UTC)
    zone = _where_it_is_nine(now)
    document = StudioConfiguration(
        plan=Subscribed.PRO,
        studio=StudioProfile(name="Studio", country="NL", time_zone="Europe/Amsterdam"),
        coaching=coaching or training_logic(),
    )
    box = SecretBox([secret_key])
    values = {
        "sealed": box.seal("benchmark"),
        "now": now - timedelta(days=1),
        "studios": plan.burst_studios,
        "leads": plan.burst_leads,
        "document": json.dumps(document.model_dump(mode="json")),
        "template": TEMPLATE,
        "language": LANGUAGE,
        "body": BODY,
        "zone": zone,
        "many": _MANY,
    }
    with psycopg.connect(url) as connection:
        # What refers to what is right by how it is made.
        connection.execute("set local session_replication_role = replica")
        for statement in (_STUDIOS, _CONFIGURATIONS, _TEMPLATES, _LIMITS, _JOBS, _LEADS, _CONSENTS, _ENROLMENTS):
            connection.execute(statement, values)
        studios = [row[0] for row in connection.execute("select workspace_id from workspace")]
        with closing(State(state, SystemClock(), lambda: None)) as memory, memory.transaction() as tx:
            for place, studio in enumerate(studios):
                waba, phone, number, token = _business(tx, place, app_id)
                sealed = seal(box, {"access_token": token})
                connection.execute(_INTEGRATION, (studio, waba, number, phone, sealed, now))
    clocks = Clocks(business=SystemClock(), real=SystemClock())
    with closing(Database(url)) as database, database.transaction(Scope.fleet()) as fleet:
        refresh_studios(fleet, clocks, studios)
    return Morning(studios, plan.burst_studios * plan.burst_leads, zone)


def ring(url: str, morning: Morning) -> datetime:
    """Have every lead's nudge due now, as a plan leaves them; return when that was committed."""
    now = datetime.now(UTC)
    plan_id = new_id()
    day = now.astimezone(UTC).date()
    clocks = Clocks(business=SystemClock(), real=SystemClock())
    with psycopg.connect(url) as connection:
        values = {"kind": KIND, "day": day, "zone": morning.zone, "now": now, "plan": plan_id}
        connection.execute("set local session_replication_role = replica")
        connection.execute(_NUDGES, values)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("analyze")
    jobs = [
        Job(
            payload=WakeNudges(plan_id=plan_id, due_at=now),
            key=WakeNudges.key_of(plan_id, now),
            workspace_id=studio,
            lane=Lane.BULK,
        )
        for studio in morning.studios
    ]
    with closing(Database(url)) as database:
        with database.transaction(Scope.fleet()) as connection:
            enqueue(connection, clocks, jobs, Cause.new())
        return datetime.now(UTC)


def _where_it_is_nine(now: datetime) -> str:
    ahead = _NINE - now.hour
    ahead += 24 if ahead < -11 else 0
    # These names count the other way round.
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def _business(tx: Transaction, place: int, app_id: str | None) -> tuple[str, str, str, str]:
    """A business at Meta with a number and the coach's template; its id, the number's id, the number, its token."""
    waba, phone = str(10**14 + 2 * place), str(4 * 10**14 + place)
    number, token = f"+3197{place:08d}", f"EAA-benchmark-{place}"
    moment = tx.now()
    tx.put(
        accounts.WABA,
        waba,
        {
            "id": waba,
            "name": f"Studio {place}",
            "account_review_status": "APPROVED",
            "business_verification_status": "not_verified",
            "created": moment.isoformat(),
            "currency": "EUR",
            "subscribed": [app_id] if app_id else [],
            "tier": "TIER_2K",
            "timezone_id": "1",
        },
        key=waba,
    )
    tx.put(accounts.TOKEN, token, {"waba": waba, "at": moment.timestamp()}, owner=waba)
    body = {
        "id": phone,
        "waba": waba,
        "number": number,
        "account_mode": "LIVE",
        "code_verification_status": "VERIFIED",
        "display_phone_number": number,
        "name_status": "APPROVED",
        "platform_type": "CLOUD_API",
        "quality_rating": "GREEN",
        "status": "CONNECTED",
        "throughput": {"level": "STANDARD"},
        "verified_name": f"Studio {place}",
    }
    tx.put(accounts.PHONE, phone, body, owner=waba, key=number)
    template = {
        "id": str(7 * 10**14 + place),
        "waba": waba,
        "name": TEMPLATE,
        "language": LANGUAGE,
        "category": "MARKETING",
        "components": [{"type": "BODY", "text": BODY}],
        "status": "APPROVED",
        "rejected_reason": "NONE",
        "quality_score": {"score": "GREEN"},
    }
    tx.put(templates.KIND, str(template["id"]), template, owner=waba, key=f"{TEMPLATE}:{LANGUAGE}")
    return waba, phone, number, token
