"""A studio's templates and follow-ups as a section of its configuration.

What belongs here: putting it in force, and reading it. What does not: having templates reviewed (`templates.py`).

WhatsApp reviews each text, so one that it has seen is not changed under its name: a new text wants a new name. One that
it has rejected may be changed, and is reviewed anew. What is gone from the section keeps its row: a message may still
refer to the template.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.errors import Conflict
from pilar.ids import new_id
from pilar.messaging import followup_store as store
from pilar.messaging.purposes import REJECTED
from pilar.workspaces.configuration import Followup, FollowupConfiguration, FollowupTemplate

BESIDE = "en"
"""The language that templates are kept in beside the studio's own."""


def in_language(wanted: FollowupConfiguration, language: str) -> FollowupConfiguration:
    """The section as a studio of that language has it: each text in it and in English, or in what there is."""
    templates = []
    for one in wanted.templates:
        spoken = {BESIDE, language} & one.bodies.keys() or set(one.bodies)
        spoken_only = {
            "bodies": {name: one.bodies[name] for name in sorted(spoken)},
            "buttons": {name: one.buttons[name] for name in sorted(spoken & one.buttons.keys())},
        }
        templates.append(one.model_copy(update=spoken_only))
    return wanted.model_copy(update={"templates": tuple(templates)})


def put_in_force(
    connection: Connection, workspace_id: UUID, wanted: FollowupConfiguration, now: datetime
) -> dict[str, int]:
    """Have a studio's templates and follow-ups be those of the section; `now` is business time.

    Returns:
        How many templates are new or have another text, and how many follow-ups there are.

    Raises:
        Conflict: a text is another than the one that WhatsApp has reviewed under its name.
    """
    present = {(row.name, row.language): row for row in store.templates_of(connection, workspace_id)}
    drafts = 0
    for one in wanted.templates:
        for language, body in one.bodies.items():
            row = present.get((one.name, language))
            buttons = list(one.buttons.get(language, ())) or None
            if row is None:
                values = {
                    "workspace_id": workspace_id,
                    "id": new_id(),
                    "name": one.name,
                    "language": language,
                    "category": one.category,
                    "body": body,
                    "buttons": buttons,
                    "state": "draft",
                    "created_at": now,
                }
                store.add_template(connection, values)
            elif (row.body, row.category, row.buttons) == (body, one.category, buttons):
                continue
            elif row.state == REJECTED and row.category == one.category:
                mended = {"body": body, "buttons": buttons, "state": "draft", "reason": None}
                store.change_template(connection, workspace_id, row.id, mended)
            elif row.state != "draft":
                raise Conflict(
                    f"WhatsApp has reviewed template {one.name!r} ({language}) with another text, buttons or category: "
                    "give the new one another name."
                )
            else:
                drafted = {"body": body, "buttons": buttons, "category": one.category}
                store.change_template(connection, workspace_id, row.id, drafted)
            drafts += 1
    followups = [
        {
            "workspace_id": workspace_id,
            "id": new_id(),
            "name": one.name,
            "template_name": one.template,
            "after_minutes": one.after_minutes,
            "at_most": one.at_most,
            "active": one.active,
            "time_of_day": one.time_of_day,
            "created_at": now,
        }
        for one in wanted.followups
    ]
    store.keep_followups(connection, workspace_id, followups)
    return {"templates": drafts, "followups": len(followups)}


def in_force(connection: Connection, workspace_id: UUID) -> FollowupConfiguration | None:
    """The section that a studio's templates and follow-ups amount to; None where it has neither."""
    # What was made at WhatsApp is no part of what the studio has configured here.
    rows = [row for row in store.templates_of(connection, workspace_id) if not row.adopted]
    followups = store.followups_of(connection, workspace_id)
    if not rows and not followups:
        return None
    bodies: dict[str, dict[str, str]] = {}
    buttons: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in rows:
        bodies.setdefault(row.name, {})[row.language] = row.body
        if row.buttons:
            buttons.setdefault(row.name, {})[row.language] = tuple(row.buttons)
    category = {row.name: row.category for row in rows}
    return FollowupConfiguration(
        templates=tuple(
            FollowupTemplate(name=name, category=category[name], bodies=texts, buttons=buttons.get(name, {}))
            for name, texts in bodies.items()
        ),
        followups=tuple(
            Followup(
                name=row.name,
                template=row.template_name,
                after_minutes=row.after_minutes,
                at_most=row.at_most,
                active=row.active,
                time_of_day=row.time_of_day,
            )
            for row in followups
        ),
    )
