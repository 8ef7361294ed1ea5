"""The editor of a studio's coaching schedule. What belongs here: its form, and showing what it would come to.

What does not: what may be scheduled (`pilar.workspaces.configuration`) and when that is due (`pilar.coach`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Request
from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.coach import training_logic
from pilar.coach.defaults import SCHEDULES
from pilar.coach.planning import PREFIX
from pilar.coach.schedule import EVERY
from pilar.coach.texts import STYLES
from pilar.database.engine import Scope
from pilar.errors import Invalid, PilarError
from pilar.workspaces.configuration import CoachingConfiguration, CoachSchedule, StudioConfiguration
from pilar.workspaces.store import load_configuration
from webhook_ingest.dashboards import forms
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System

SHOWN = 3
_ELSEWHERE = ("America/New_York", "Europe/Amsterdam")
"""The other zone that moments are shown in, unless one is asked for: the first that is not the studio's."""

_Texts = Annotated[list[str], Form(max_length=20)]
_Zone = Annotated[str, Form(max_length=100)]
_Word = Annotated[str | None, Form(max_length=20)]


@dataclass(frozen=True)
class Entry:
    """A schedule as the form shows it: what was typed, valid or not."""

    type: str
    enabled: bool
    cron: str
    time_zone: str
    template: str
    text: str


@dataclass(frozen=True)
class Shown:
    """What the page is about: the form's content, and what is wrong with it."""

    coaching_on: bool
    entries: Sequence[Entry]
    by_model: bool
    offers: str
    most_per_week: str
    unless_chosen: Mapping[str, str]
    problem: str | None = None


def schedule(request: Request, app: System, workspace_id: UUID, zone: str = "") -> Response:
    """The schedule in force, and when each type is due next here and elsewhere."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        version, document = load_configuration(connection, workspace_id)
    language = document.studio.language
    entries = [
        Entry(one.type, one.enabled, one.cron, one.time_zone, one.template or "", one.texts.get(language, ""))
        for one in _rows(document.coaching)
    ]
    coaching = document.coaching
    preferences = coaching.preferences.model_dump()
    shown = Shown(
        coaching.enabled, entries, coaching.written_by == "model", coaching.offers or "", str(coaching.most_per_week),
        preferences,
    )  # fmt: skip
    return _page(request, app, workspace_id, version, document, shown, document.coaching, zone)


def change_schedule(
    request: Request,
    app: System,
    caller: Asked,
    workspace_id: UUID,
    version: Annotated[int, Form()],
    type: _Texts,  # noqa: A002 - what the field is called
    cron: _Texts,
    clock: _Texts,
    template: _Texts,
    text: _Texts,
    on: Annotated[list[str] | None, Form(max_length=20)] = None,
    coaching_on: Annotated[str, Form()] = "",
    by_model: Annotated[str, Form()] = "",
    offers: Annotated[str, Form(max_length=60)] = "",
    most_per_week: _Word = None,
    frequency: _Word = None,
    style: _Word = None,
    zone: _Zone = "",
    act: Annotated[str, Form()] = "preview",
) -> Response:
    """Show what the form would come to, or put it in force; what is wrong is said above what was typed."""
    if len({len(type), len(cron), len(clock), len(template), len(text)}) != 1:
        raise Invalid("The form came in parts: open the page again and repeat the change.")
    turned_on = set(on or ())
    entries = [
        Entry(kind, str(number) in turned_on, *(field.strip() for field in fields))
        for number, (kind, *fields) in enumerate(zip(type, cron, clock, template, text, strict=True))
    ]
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        in_force, document = load_configuration(connection, workspace_id)
    unless_chosen = document.coaching.preferences.model_dump()
    sent = {"frequency": frequency, "motivation_style": style}
    unless_chosen |= {name: value.strip() for name, value in sent.items() if value is not None}
    most = str(document.coaching.most_per_week) if most_per_week is None else most_per_week
    shown = Shown(bool(coaching_on), entries, bool(by_model), offers, most, unless_chosen)

    def refused(error: PilarError) -> Response:
        mended = replace(shown, problem=error.message)
        return _page(request, app, workspace_id, in_force, document, mended, None, zone)

    try:
        wanted = _read(shown, document)
        training_logic.check_for(wanted, document)
    except Invalid as error:
        return refused(error)
    if act != "save":
        return _page(request, app, workspace_id, version, document, shown, wanted, zone)

    def put_in_force(connection: Connection) -> str:
        training_logic.change(
            connection, app.clocks, workspace_id, wanted, expected_version=version, actor=caller.principal.actor
        )
        return f"/studios/{workspace_id}/coach/schedule?notice=schedule-changed"

    return forms.done(app, put_in_force, refused, kinds=(Invalid,))


def _page(
    request: Request, app: System, workspace_id: UUID, version: int, document: StudioConfiguration, shown: Shown,
    coaching: CoachingConfiguration | None, zone: str,
) -> Response:  # fmt: skip
    home, now = document.studio.time_zone, app.clocks.business.now()
    elsewhere = zone.strip() or next(one for one in _ELSEWHERE if one != home)
    coming: dict[str, dict[str, list[datetime]]] = {}
    problem = shown.problem
    if coaching is not None:
        try:
            coming = {
                place: training_logic.next_moments(coaching, place, home, now, SHOWN) for place in (home, elsewhere)
            }
        except Invalid as error:
            problem = str(error)
    return render(
        request,
        "coach_schedule.html",
        status_code=422 if problem else 200,
        workspace_id=workspace_id,
        studio=document.studio.name,
        language=document.studio.language,
        version=version,
        coaching_on=shown.coaching_on,
        by_model=shown.by_model,
        offers=shown.offers,
        most_per_week=shown.most_per_week,
        unless_chosen=shown.unless_chosen,
        frequencies=tuple(EVERY),
        styles=STYLES,
        can_be_offered=training_logic.can_be_offered(document),
        can_be_personal=training_logic.can_be_personal(document),
        entries=shown.entries,
        problem=problem,
        zones=(home, elsewhere),
        coming=coming,
        short=lambda kind: kind.removeprefix(PREFIX),
    )


def _rows(coaching: CoachingConfiguration) -> list[CoachSchedule]:
    """The schedules that there are, and one that is off for each type that has none."""
    known = {one.type for one in coaching.schedules}
    more = [one.model_copy(update={"enabled": False}) for one in SCHEDULES if one.type not in known]
    return [*coaching.schedules, *more]


def _read(shown: Shown, document: StudioConfiguration) -> CoachingConfiguration:
    """The section that the form describes; texts in other languages stay as they are.

    Raises:
        Invalid: there can be no such section.
    """
    before = _rows(document.coaching)
    schedules: list[dict[str, Any]] = []
    for number, entry in enumerate(shown.entries):
        same = before[number] if number < len(before) and before[number].type == entry.type else None
        texts = dict(same.texts) if same else {}
        texts.pop(document.studio.language, None)
        if entry.text:
            texts[document.studio.language] = entry.text
        schedules.append(
            {
                "type": entry.type,
                "enabled": entry.enabled,
                "cron": " ".join(entry.cron.split()),
                "time_zone": entry.time_zone,
                "template": entry.template or None,
                "texts": texts,
            }
        )
    try:
        return CoachingConfiguration.model_validate(
            {
                "enabled": shown.coaching_on,
                "schedules": schedules,
                "preferences": dict(shown.unless_chosen),
                "most_per_week": shown.most_per_week.strip(),
                "written_by": "model" if shown.by_model else "texts",
                "offers": shown.offers or None,
            }
        )
    except ValidationError as error:
        raise Invalid(_in_words(error, shown.entries)) from error


def _in_words(error: ValidationError, entries: Sequence[Entry]) -> str:
    """What is wrong, and with which type."""
    first = error.errors()[0]
    where = [part for part in first["loc"] if isinstance(part, int)]
    of = entries[where[0]].type.removeprefix(PREFIX).replace("_", " ").capitalize() if where else "Schedule"
    fields = {"cron": "when", "texts": "own text", "template": "template", "time_zone": "clock", "type": "type"}
    field = next((fields[part] for part in first["loc"] if part in fields), "form")
    if "most_per_week" in first["loc"]:
        return "At most in a week: write a number from 1 to 50."
    if field == "when":
        return f"{of}, when: write five parts: minute, hour, day of the month, month, day of the week, as 0 8 * * *."
    return f"{of}, {field}: {first['msg'].removeprefix('Value error, ')}."
