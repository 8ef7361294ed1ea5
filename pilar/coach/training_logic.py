"""A studio's training logic. What belongs here: changing it, and planning anew by it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.bookings.defaults import default_calendar
from pilar.clocks import Clocks
from pilar.coach import schedule, store
from pilar.coach.planning import plan
from pilar.coach.texts import TEMPLATE
from pilar.errors import Invalid
from pilar.workspaces.configuration import CoachingConfiguration, StudioConfiguration, time_zones
from pilar.workspaces.store import load_configuration, save_configuration


def change(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    wanted: CoachingConfiguration,
    *,
    expected_version: int | None,
    actor: str,
) -> int:
    """Put another coaching section in force and plan anew what is still to come; return the configuration's version.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        wanted: the section.
        expected_version: the version that it was made from; None: whatever is in force.
        actor: who, as in the audit log.

    Raises:
        Invalid: a schedule can't be read or never comes, or names a template that the studio does not have.
        Conflict: somebody else changed the configuration meanwhile.
        NotFound: the studio has no configuration yet.
    """
    now = clocks.business.now()
    version, document = load_configuration(connection, workspace_id)
    check_for(wanted, document)
    if document.coaching == wanted and expected_version in (None, version):
        return version
    saved = save_configuration(
        connection,
        workspace_id,
        document.model_copy(update={"coaching": wanted}),
        changed_by=actor,
        note="the coach's schedule",
        now=now,
        expected_version=version if expected_version is None else expected_version,
    )
    plan_anew(connection, clocks, workspace_id)
    return saved


def next_moments(
    coaching: CoachingConfiguration, zone: str, studio_zone: str, after: datetime, count: int
) -> dict[str, list[datetime]]:
    """When each type is due next for a lead in a zone who has named no hour of their own, by type; in UTC.

    Args:
        coaching: the section; nothing is due of what it has turned off.
        zone: the lead's, an IANA name.
        studio_zone: the studio's.
        after: aware.
        count: how many moments of each.

    Raises:
        Invalid: there is no such zone, or a schedule can't be read.
    """
    if zone not in time_zones():
        raise Invalid(f"{zone!r} is not a time zone: use an IANA name such as Europe/Amsterdam.")
    found: dict[str, list[datetime]] = {}
    for kind in dict.fromkeys(entry.type for entry in coaching.schedules):
        moments: set[datetime] = set()
        entries = [one for one in coaching.schedules if one.type == kind and one.enabled and coaching.enabled]
        for whose, place in (("lead", zone), ("studio", studio_zone)):
            crons = [one.cron for one in entries if one.time_zone == whose]
            moments.update(schedule.next_fires(crons, place, after, count))
        found[kind] = sorted(moments)[:count]
    return found


def can_be_offered(document: StudioConfiguration) -> list[tuple[str, str]]:
    """Short name and name of what leads of a studio can be offered free times for."""
    calendar = document.calendar or default_calendar()
    return [(one.slug, one.name) for one in calendar.event_types if one.active]


def can_be_personal(document: StudioConfiguration) -> bool:
    """Whether a studio may have its nudges written by a model."""
    return document.agent is not None and document.feature("personal_texts")


def check(wanted: CoachingConfiguration) -> None:
    """Raise `Invalid` where a schedule can't be read or never comes."""
    for entry in wanted.schedules:
        schedule.check(entry.cron)


def check_for(wanted: CoachingConfiguration, document: StudioConfiguration) -> None:
    """Raise `Invalid` where a schedule can't be read or never comes, or where the studio lacks what it names."""
    check(wanted)
    slugs = [slug for slug, _ in can_be_offered(document)]
    if wanted.offers is not None and wanted.offers not in slugs:
        raise Invalid(
            f"{wanted.offers!r} is nothing that can be booked in the studio. It has {', '.join(slugs) or 'nothing'}."
        )
    is_new = wanted.written_by == "model" and document.coaching.written_by != "model"
    if is_new and not can_be_personal(document):
        raise Invalid(
            "A model can write no coaching messages here: that needs an agent in the studio's configuration, and the"
            " plan's feature personal_texts (PRO), turned on."
        )
    followups = document.followups
    known = {TEMPLATE, *((one.name for one in followups.templates) if followups else ())}
    for entry in wanted.schedules:
        if entry.template is not None and entry.template not in known:
            raise Invalid(
                f"{entry.type} names the template {entry.template!r}, which the studio does not have."
                f" It has {', '.join(sorted(known))}."
            )


def plan_anew(connection: Connection, clocks: Clocks, workspace_id: UUID) -> None:
    """Withdraw what is still to come, and plan by the section in force; in the fleet's scope."""
    store.withdraw_pending(connection, workspace_id, clocks.business.now())
    plan(connection, clocks, [workspace_id])
