"""What came of the signups, as the product and the sandbox have it. What belongs here: reading and counting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.story import verdict
from pilar.app import App
from pilar.database.engine import Database, Scope

SUBACCOUNT, NUMBER = "twilio.subaccount_created", "twilio.number_bought"

_ENDS = """
select coalesce(p.email, j.id::text), j.state, coalesce(w.state, 'none'),
       extract(epoch from j.completed_at - j.created_at)::float8,
       (select min(s.waits_on) from provisioning_step s where s.job_id = j.id and s.status in ('waiting', 'expired')),
       (select string_agg(s.name || ': ' || coalesce(s.error, '?'), '; ') from provisioning_step s
        where s.job_id = j.id and s.status = 'failed')
from provisioning_job j
left join workspace w on w.workspace_id = j.workspace_id
left join membership m on m.workspace_id = j.workspace_id and m.role = 'owner'
left join person p on p.id = m.person_id
"""
_BY_HAND = """
select actor || ' ' || action from audit_log where actor not in ('system', 'setup link') order by position limit 20
"""
_REJECTED = "select count(*) from message_template where state <> 'approved'"
_DRAFTS = "select count(*) from message_template where state = 'draft'"
_AT_REST = "select count(*) from provisioning_job where state <> 'running'"
_RESTLESS = "select type || ' ' || status || coalesce(' ' || error, '') from live_work where not business_time"


@dataclass(frozen=True)
class End:
    """How a signup stands at the end; `seconds` of business time from the payment to the opening."""

    email: str
    job: str
    studio: str
    seconds: float | None
    waits_on: str | None
    failed: str | None

    @property
    def is_active(self) -> bool:
        """Whether the studio has opened."""
        return self.job == "completed" and self.studio == "active"

    @property
    def is_named(self) -> bool:
        """Whether it is active, or waits for somebody by name."""
        return self.is_active or (self.job in ("waiting", "expired") and self.waits_on is not None)


@dataclass
class Counted:
    """What there is at the end, and what must not be, each as a sentence."""

    ends: Sequence[End] = ()
    wrong: dict[str, list[str]] = field(default_factory=dict)


def ends(database: Database) -> list[End]:
    """Each signup that the product has begun a studio for."""
    with database.transaction(Scope.fleet()) as connection:
        return [End(*row) for row in connection.exec_driver_sql(_ENDS)]


def at_rest(database: Database) -> int:
    """How many studios are made, or wait for somebody."""
    with database.transaction(Scope.fleet()) as connection:
        return int(connection.exec_driver_sql(_AT_REST).scalar_one())


def restless(database: Database) -> list[str]:
    """The work that is not put off to a moment of business time."""
    with database.transaction(Scope.fleet()) as connection:
        return list(connection.exec_driver_sql(_RESTLESS).scalars())


def count(app: App, paid: int, could_open: int, seen: Mapping[tuple[str, str], int], keys: Sequence[str]) -> Counted:
    """Judge.

    Args:
        app: the product.
        paid: how many people have paid.
        could_open: how many of them have an owner who comes.
        seen: how often each effect happened to each key, as the sandbox counts.
        keys: whose each API key is that lives at Twilio: accounts' SIDs.
    """
    found = ends(app.database)
    with app.database.transaction(Scope.fleet()) as connection:
        by_hand = list(connection.exec_driver_sql(_BY_HAND).scalars())
        unapproved = int(connection.exec_driver_sql(_REJECTED).scalar_one())
        drafts = int(connection.exec_driver_sql(_DRAFTS).scalar_one())
    wrong = {
        "signups without a studio": [f"{paid} have paid, and {len(found)} studios were begun"] * (len(found) != paid),
        "neither active nor in a named wait": [
            f"{one.email}: {one.job}, {one.failed or 'no failed step'}" for one in found if not one.is_named
        ],
        "kept waiting though the owner came": [
            f"{one.email}: {one.job}, waits on {one.waits_on}" for one in found if not one.is_active
        ][: max(0, could_open - sum(one.is_active for one in found))],
        "not exactly one account, key and number": _not_one(seen, keys, paid),
        "touched by hand": by_hand,
        "templates not mended": [f"{unapproved - drafts} templates are not approved"] * (unapproved > drafts),
        "effects lost": verdict.lost_effects(app.database, seen),
        "effects repeated beyond policy": verdict.repeated_effects(app.database, seen),
        "things stuck": verdict.stuck(app),
        "promises broken": verdict.broken_promises(app),
    }
    return Counted(found, wrong)


def _not_one(seen: Mapping[tuple[str, str], int], keys: Sequence[str], paid: int) -> list[str]:
    """How many accounts, keys and numbers there are too many or too few; of keys those count that live."""
    found = []
    if not len(keys) == len(set(keys)) == paid:
        found.append(f"keys: {len(keys)} in {len(set(keys))} accounts, where {paid} have paid")
    for kind in (SUBACCOUNT, NUMBER):
        counts = [number for (one, _), number in seen.items() if one == kind]
        if len(counts) != paid or sum(counts) != paid:
            found.append(f"{kind}: {sum(counts)} times for {len(counts)} names, where {paid} have paid")
    return found
