"""A nudge as a message. What belongs here: what it may speak of, its words, its template, and putting it out.

What does not: whether it is due at all (`dispatch.py`), and having a model write it (`personalising.py`). A dry run
composes the same way (`trying.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from pilar.agents import phrases, slot_offers
from pilar.agents.texts import in_language
from pilar.agents.words import moment_in_words, slots_in_words
from pilar.backplane.facts import Cause, Lane
from pilar.clocks import Clocks
from pilar.coach import goal_store, plan_store, store, texts
from pilar.coach.chart import chart_of
from pilar.coach.fatigue import LAST_QUESTION
from pilar.coach.goals import Goal
from pilar.coach.planning import PREFIX
from pilar.coach.texts import About
from pilar.messaging import store as messaging
from pilar.messaging import template_store
from pilar.messaging.facts import window_closes_at
from pilar.messaging.outbox import Button, NewMessage, queue_message
from pilar.messaging.purposes import APPROVED, PAUSED, variables_of
from pilar.workspaces.configuration import StudioConfiguration

CAUSE = "nudge:"
"""What the cause of a nudge's message begins with; its id follows."""

_OF_KIND = {LAST_QUESTION: texts.LAST_QUESTION_TEMPLATE, plan_store.GOAL_REPORT: texts.GOAL_TEMPLATE}
"""Templates of a kind of their own."""
_USUAL = 2
"""Variables of a template: the lead's first name and the studio's."""

LONGEST_VALUE = 200
"""Characters of a template's variable: more would leave the text around it no room."""


@dataclass(frozen=True)
class Draft:
    """What a nudge says.

    Attributes:
        text: for an open window.
        written_by: model, studio or coach.
        template: for a closed one.
        parameters: the template's.
        buttons: what can be chosen from, where the window is open.
        picture: what is drawn above the text (`chart.py`), likewise.
    """

    text: str
    written_by: Literal["model", "studio", "coach"]
    template: str
    parameters: tuple[str, ...]
    buttons: tuple[Button, ...] = ()
    picture: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Wording:
    """How a studio has a type of nudge written: the template, if it names one, and its own texts by language."""

    template: str | None
    texts: Mapping[str, str]


def wording_of(document: StudioConfiguration, kind: str) -> Wording:
    """A studio's wording of a type; of several schedules of the type the first that says something counts."""
    entries = [one for one in document.coaching.schedules if one.enabled and one.type == f"{PREFIX}{kind}"]
    template = next((one.template for one in entries if one.template), None)
    return Wording(template, next((one.texts for one in entries if one.texts), {}))


def about(
    connection: Connection,
    document: StudioConfiguration,
    lead: Row[Any],
    kind: str,
    now: datetime,
    nudge_id: UUID | None = None,
) -> About:
    """What a nudge to a lead may speak of.

    Args:
        connection: a transaction that sees the studio.
        document: the studio's.
        lead: to whom.
        kind: of nudge.
        now: business time.
        nudge_id: the nudge itself, which is no earlier one; None: there is none yet.
    """
    goal = goal_store.current_goal(connection, lead.workspace_id, lead.id)
    missed = ""
    if kind == plan_store.MISSED:
        found = plan_store.what_was_missed(connection, lead.workspace_id, lead.id, now, nudge_id)
        if found is not None:
            when = moment_in_words(found.starts_at, ZoneInfo(document.studio.time_zone), lead.language)
            missed = texts.missed_in_words(found.name, when, lead.language)
    target, progress = (goal.target, goal.progress) if goal is not None else ("", 0)
    return About(lead.name, document.studio.name, target, progress, missed)


def usable_templates(connection: Connection, workspace_id: UUID) -> dict[str, int]:
    """How many variables each template of a studio's has that goes, or is waited for; by name."""
    rows = template_store.templates_of(connection, workspace_id)
    usable = [row for row in rows if row.unusable is None and row.state in (APPROVED, PAUSED)]
    return {row.name: len(variables_of(row.body)) for row in usable}


def compose(
    document: StudioConfiguration,
    kind: str,
    language: str,
    style: str,
    facts: About,
    templates: Mapping[str, int] = MappingProxyType({}),
) -> Draft:
    """The words that need no model: the studio's own where it has some, else ours in that style.

    The last question to who does not answer is ours in any case.

    Args:
        document: the studio's.
        kind: of nudge.
        language: the lead's.
        style: of motivation.
        facts: what may be spoken of.
        templates: what `usable_templates` has; for kinds that have no template of their own it need not be known.
    """
    wording = wording_of(document, kind)
    asks_last = kind == LAST_QUESTION
    own = not asks_last and texts.is_own(language, facts, wording.texts)
    said = texts.last_question(language, facts) if asks_last else None
    template, parameters = _template(kind, wording.template, language, facts, templates)
    answers = texts.ANSWERS.get(language, texts.ANSWERS["en"]) if asks_last else {}
    return Draft(
        text=said or texts.text_of(kind, language, style, facts, wording.texts),
        written_by="studio" if own else "coach",
        template=template,
        parameters=parameters,
        buttons=tuple(Button(name, title) for name, title in answers.items()),
    )


def _template(
    kind: str, own: str | None, language: str, facts: About, known: Mapping[str, int]
) -> tuple[str, tuple[str, ...]]:
    """The template for a closed window, and its values.

    The studio's own comes first, then the kind's where WhatsApp has approved it. One that speaks of a goal is not for
    who has none, since WhatsApp takes no empty value.
    """
    values = [texts.first_name(facts.name, language), facts.studio]
    if goal := template_value(facts.goal):
        values += [goal, f"{facts.progress} %"]
    of_kind = _OF_KIND.get(kind)
    name = own or (of_kind if of_kind in known else None) or texts.TEMPLATE
    takes = known.get(name, _USUAL)
    if takes > len(values):
        name, takes = texts.TEMPLATE, _USUAL
    return name, tuple(template_value(one) for one in values[:takes])


def template_value(value: str) -> str:
    """What may stand in place of a template's variable.

    WhatsApp takes no line break, no tab and no more than four spaces in a row there (Cloud API, template messages,
    code 132018); a value that is all of that would be none.
    """
    plain = re.sub(r"\s+", " ", value).strip()
    return plain if len(plain) <= LONGEST_VALUE else plain[: LONGEST_VALUE - 1].rstrip() + "…"


def put_out(
    connection: Connection,
    clocks: Clocks,
    nudge: Row[Any],
    draft: Draft,
    story: Cause,
    told: Mapping[str, Any] | None = None,
) -> UUID | None:
    """Put a nudge's message into the outbox, once, and keep who wrote it; `told` are more of the nudge's columns."""
    message = as_message(nudge.lead_id, nudge.type, f"{CAUSE}{nudge.id}", draft)
    stored = queue_message(connection, clocks, nudge.workspace_id, message, story)
    values = {"message_id": stored, "written_by": draft.written_by, **(told or {})}
    store.change_nudge(connection, nudge.workspace_id, nudge.id, values)
    return stored


def with_more(
    connection: Connection, clocks: Clocks, document: StudioConfiguration, lead: Row[Any], kind: str, cause: str,
    draft: Draft,
) -> Draft:  # fmt: skip
    """A draft with what an open window allows: the picture of a goal that is reported, and free times to choose from.

    Times go to who missed a training, where the studio offers some.

    Args:
        connection: a transaction that holds the lead.
        clocks: both clocks.
        document: the studio's.
        lead: to whom.
        kind: of nudge.
        cause: of its message: the same one offers once.
        draft: what is said before them.
    """
    closes = window_closes_at(messaging.find_conversation(connection, lead.workspace_id, lead.id))
    if closes is None or closes <= clocks.business.now():
        return draft  # a template goes, and nobody would see what was offered
    goal = goal_store.current_goal(connection, lead.workspace_id, lead.id) if kind == plan_store.GOAL_REPORT else None
    if goal is not None:
        steps = goal_store.milestones_of(connection, lead.workspace_id, [goal.id])
        return replace(draft, picture=chart_of(Goal(goal, steps), document.studio.name, lead.language))
    event_type = document.coaching.offers
    if kind != plan_store.MISSED or event_type is None or not document.feature("calendar"):
        return draft
    made = slot_offers.offer(connection, clocks, lead.workspace_id, lead.id, event_type, cause=cause)
    if made is None:
        return draft
    said = in_language(phrases.CHOOSE, lead.language, document.studio.language)
    times = said.format(slots=slots_in_words(made.slots, made.zone, lead.language))
    return replace(draft, text=f"{draft.text}\n\n{times}", buttons=made.buttons(lead.language))


def as_message(lead_id: UUID, kind: str, cause: str, draft: Draft) -> NewMessage:
    """The message of a nudge."""
    return NewMessage(
        lead_id=lead_id,
        category="marketing",
        origin=f"coach:{kind}",
        cause=cause,
        text=draft.text,
        template=draft.template,
        parameters=draft.parameters,
        lane=Lane.BULK,
        buttons=draft.buttons,
        picture=draft.picture,
    )
