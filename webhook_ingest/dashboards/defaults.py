"""What studios start with, on pages: a studio's own parts, and the founder's template.

What belongs here: the pages and their forms. What does not: what is valid and what a change does (provisioning), and
how a document becomes a form (`leaf_form.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Form, Query, Request
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection
from starlette.responses import Response

from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid, PilarError
from pilar.provisioning.defaults_document import PARTS, DefaultsChange, Part, WorkspaceDefaults, differences
from pilar.provisioning.defaults_template import Updated, update_studios, write_template
from pilar.workspaces import fleet
from pilar.workspaces import store as workspaces
from webhook_ingest.dashboards import forms
from webhook_ingest.dashboards.leaf_form import fields_of, read
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System
from webhook_ingest.problems import status_of

AT_ONCE = 100
"""Studios that one press looks at."""


async def what_was_sent(request: Request) -> Mapping[str, str]:
    """The fields of a form whose names are the document's."""
    sent = await request.form()
    return {name: value for name, value in sent.items() if isinstance(value, str)}


Sent = Annotated[Mapping[str, str], Depends(what_was_sent)]
Version = Annotated[int | None, Form()]
Document = TypeVar("Document", bound=BaseModel)


def studio_defaults(
    request: Request, app: System, workspace_id: UUID, version: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    """A studio's parts as they stand, its versions, and what is another than in one of them."""
    try:
        return _studio_page(request, app, workspace_id, compared=version)
    except Conflict as error:  # a version of long ago: the page says so, and shows the rest
        return _studio_page(request, app, workspace_id, error=error)


def change_studio_defaults(
    request: Request, app: System, caller: Asked, workspace_id: UUID, part: Part, sent: Sent, version: Version = None
) -> Response:
    """Put a part in force as the form has it; where that can't be, the page says why and keeps what was typed."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        section = app.defaults.read(connection, workspace_id).parts[part]
    present = section.model_dump(mode="json") if section is not None else {}
    wanted: Any = present

    def change(connection: Connection) -> str:
        nonlocal wanted
        wanted = _wanted(present, sent)
        parts = _valid(DefaultsChange, {part: wanted}).parts()
        app.defaults.change(
            connection, workspace_id, parts, expected_version=version, actor=caller.principal.actor,
            note=f"{part}, changed on the page",
        )  # fmt: skip
        return f"/studios/{workspace_id}/defaults?notice=defaults-changed"

    return forms.done(app, change, lambda error: _studio_page(request, app, workspace_id, error, typed={part: wanted}))


def roll_back_studio_defaults(
    request: Request, app: System, caller: Asked, workspace_id: UUID, to: Annotated[int, Form(ge=1)],
    version: Version = None,
) -> Response:  # fmt: skip
    """Put the parts of an earlier version in force again."""

    def roll_back(connection: Connection) -> str:
        app.defaults.roll_back(connection, workspace_id, to, expected_version=version, actor=caller.principal.actor)
        return f"/studios/{workspace_id}/defaults?notice=defaults-rolled-back"

    return forms.done(app, roll_back, partial(_studio_page, request, app, workspace_id))


def default_template(request: Request, app: System, version: Annotated[int | None, Query(ge=0)] = None) -> Response:
    """What new studios get, its versions, and bringing it to studios that are there."""
    try:
        return _template_page(request, app, compared=version)
    except Conflict as error:
        if version is None:
            raise  # it is the newest one that can't be read, and so the page neither
        return _template_page(request, app, error=error)


def change_default_template(
    request: Request, app: System, caller: Asked, part: Part, sent: Sent, version: Version = None
) -> Response:
    """Write another version with this part as the form has it."""
    with app.database.transaction(Scope.fleet()) as connection:
        document = app.defaults.template(connection)[1].model_dump(mode="json")
    wanted = document[part]

    def write(connection: Connection) -> str:
        nonlocal wanted
        wanted = _wanted(document[part], sent)
        template = _valid(WorkspaceDefaults, {**document, part: wanted})
        note = sent.get("note", "").strip()[:300] or f"{part}, changed on the page"
        write_template(
            connection, app.clocks, app.defaults, template, expected_version=version, actor=caller.principal.actor,
            note=note,
        )  # fmt: skip
        return "/defaults?notice=template-written"

    return forms.done(app, write, lambda error: _template_page(request, app, error, typed={part: wanted}))


def bring_up_to_date(
    request: Request, app: System, caller: Asked, apply: Annotated[bool, Form()] = False,
    after: Annotated[UUID | None, Form()] = None,
) -> Response:  # fmt: skip
    """Look at, or bring up to date, the next studios; each in a step of its own, so it may be broken off."""
    with app.database.transaction(Scope.fleet()) as connection:
        studios = fleet.open_workspaces(connection)
    begin = studios.index(after) + 1 if after in studios else 0
    chosen = studios[begin : begin + AT_ONCE]
    done = update_studios(
        app.database, app.clocks, app.defaults, studios=chosen, apply=apply, actor=caller.principal.actor
    )
    more = chosen[-1] if begin + AT_ONCE < len(studios) else None
    return _template_page(request, app, done=done, more=more, left=max(len(studios) - begin - AT_ONCE, 0))


def _wanted(present: Any, sent: Mapping[str, str]) -> Any:
    """The document itself, where somebody wrote that; else what the fields say.

    Raises:
        Invalid: what was written is no JSON.
    """
    if "document" not in sent:
        return read(present, sent)
    try:
        return json.loads(sent["document"])
    except ValueError as error:
        raise Invalid(f"That is no JSON document: {error}.") from error


def _shown(parts: Mapping[Part, Any], typed: Mapping[Part, Any] | None) -> list[dict[str, Any]]:
    documents = {part: parts[part].model_dump(mode="json") if parts[part] is not None else None for part in PARTS}
    documents |= typed or {}
    return [
        {"name": part, "fields": list(fields_of(document)), "document": json.dumps(document, indent=2)}
        for part, document in documents.items()
        if document is not None
    ]


def _valid(kind: type[Document], wanted: Any) -> Document:
    """A document that was typed.

    Raises:
        Invalid: it is none; its details say what is wrong where.
    """
    try:
        return kind.model_validate(wanted)
    except ValidationError as error:
        errors = [f"{' · '.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise Invalid("That can't be put in force.", errors=errors) from error


def _said(error: PilarError | None) -> tuple[list[str], int]:
    """What is wrong, as sentences, and the status of an answer that says so."""
    if error is None:
        return [], 200
    errors = error.details.get("errors")
    return errors if isinstance(errors, list) else [error.message], status_of(error)


def _studio_page(
    request: Request, app: System, workspace_id: UUID, error: PilarError | None = None, *,
    typed: Mapping[Part, Any] | None = None, compared: int | None = None,
) -> Response:  # fmt: skip
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        studio = workspaces.get_workspace(connection, workspace_id)
        found = app.defaults.find(connection, workspace_id)
        history = app.defaults.history(connection, workspace_id)
        changes = app.defaults.compare(connection, workspace_id, compared) if compared is not None else None
    errors, status = _said(error)
    return render(
        request, "studio_defaults.html", status_code=status, studio=studio, found=found, history=history,
        parts=_shown(found.parts, typed) if found else [], errors=errors, changes=changes, compared=compared,
        business_now=app.clocks.business.now(),
    )  # fmt: skip


def _template_page(
    request: Request, app: System, error: PilarError | None = None, *,
    typed: Mapping[Part, Any] | None = None, compared: int | None = None, done: Updated | None = None,
    more: UUID | None = None, left: int = 0,
) -> Response:  # fmt: skip
    with app.database.transaction(Scope.fleet()) as connection:
        version, template = app.defaults.template(connection)
        history = app.defaults.template_history(connection)
        old = app.defaults.template(connection, compared)[1] if compared is not None else None
        names = workspaces.studio_names(connection, [offer.workspace_id for offer in done.offers]) if done else {}
    parts: dict[Part, Any] = {part: getattr(template, part) for part in PARTS}
    changes = {part: differences(getattr(old, part), parts[part]) for part in PARTS} if old else None
    errors, status = _said(error)
    return render(
        request, "default_template.html", status_code=status, version=version, history=history,
        parts=_shown(parts, typed), errors=errors, changes=changes, compared=compared, done=done, more=more,
        left=left, names=names, business_now=app.clocks.business.now(),
    )  # fmt: skip
