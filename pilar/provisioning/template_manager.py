"""A studio's own templates. What belongs here: writing one, by WhatsApp's rules, and having all reviewed and read.

A text is part of the studio's configuration (`defaults.py`): it is put there, so that versions, audit log and the
submission of what is new are the same whoever writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Cause
from pilar.clocks import Clocks
from pilar.errors import Conflict, Invalid, NotFound
from pilar.messaging import template_rules, template_store
from pilar.messaging.purposes import REJECTED, next_name, purpose_of, purposes_of, variables_of
from pilar.messaging.template_sync import DRAFT
from pilar.messaging.templates import ask_to_submit
from pilar.provisioning.defaults import DefaultsKeeper
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import FollowupConfiguration, FollowupTemplate


def write(
    connection: Connection,
    keeper: DefaultsKeeper,
    workspace_id: UUID,
    *,
    name: str,
    language: str,
    category: str,
    body: str,
    actor: str,
) -> int:
    """Write a template, or another text for one that WhatsApp has not approved; it is submitted where that can be.

    Args:
        connection: a transaction in the fleet's scope.
        keeper: of the studio's configuration.
        workspace_id: the studio.
        name: as WhatsApp would name it.
        language: ISO 639-1.
        category: marketing or utility; the same in all languages.
        body: the text, with {{1}} for the lead's first name and {{2}} for the studio's name.
        actor: who, as in the audit log.

    Returns:
        The version of the configuration that it is part of.

    Raises:
        Invalid: WhatsApp takes no such template; the message says all that is wrong.
        Conflict: WhatsApp has that name with another text already.
        NotFound: the studio has no configuration yet.
    """
    text = body.strip()
    template_rules.check(name, language, category, text)
    rows = [row for row in template_store.templates_of(connection, workspace_id) if row.name == name]
    _check_against(rows, name, language, category, text)
    section = keeper.read(connection, workspace_id).parts["followups"]
    if not isinstance(section, FollowupConfiguration):
        section = FollowupConfiguration()
    others = {one.name: one for one in section.templates}
    before = others.get(name)
    bodies = {**before.bodies, language: text} if before else {language: text}
    buttons = before.buttons if before else {}
    written = {"name": name, "category": category, "bodies": bodies, "buttons": buttons}
    others[name] = FollowupTemplate.model_validate(written)
    wanted = section.model_copy(update={"templates": tuple(others.values())})
    note = f"{name} ({language}) written"
    return keeper.change(connection, workspace_id, {"followups": wanted}, expected_version=None, actor=actor, note=note)


def submit_again(connection: Connection, keeper: DefaultsKeeper, workspace_id: UUID, *, name: str, actor: str) -> str:
    """Have the texts of a template that is gone reviewed once more, in each of its languages; return their new name.

    WhatsApp keeps the name of a deleted template for thirty days, so it is the next version's; it stands in for the old
    one everywhere.

    Args:
        connection: a transaction in the fleet's scope.
        keeper: of the studio's configuration.
        workspace_id: the studio.
        name: as it was called.
        actor: who, as in the audit log.

    Raises:
        NotFound: there is no such template.
        Conflict: another serves its purpose or is under review, it was disabled, or it was made at WhatsApp.
    """
    rows = template_store.templates_of(connection, workspace_id)
    if not any(row.name == name for row in rows):
        raise NotFound(f"There is no template {name}.")
    purpose = next((one for one in purposes_of(rows) if one.name == purpose_of(name)), None)
    wanted = [row for row in purpose.again if row.name == name] if purpose is not None else []
    if not wanted:
        raise Conflict(
            f"{name} can't be submitted again: it is not deleted at WhatsApp, or there is another text for the same."
        )
    following = next_name(name, {row.name for row in rows})
    for row in wanted:
        write(
            connection, keeper, workspace_id, name=following, language=row.language, category=row.category,
            body=row.body, actor=actor,
        )  # fmt: skip
    return following


def ask_for_review(connection: Connection, clocks: Clocks, workspace_id: UUID) -> None:
    """Have a studio's drafts submitted and all its templates read, now.

    Raises:
        Conflict: the studio is not on WhatsApp yet.
    """
    account = workspaces.get_integration(connection, workspace_id, "whatsapp")
    if account is None or account.external_id is None:
        raise Conflict("The studio has no WhatsApp account yet: connect it first, then its templates are submitted.")
    occasion = f"asked:{workspace_id}:{clocks.real.now().isoformat()}"
    ask_to_submit(connection, clocks, workspace_id, occasion=occasion, story=Cause.new())


def _check_against(rows: Sequence[Row[Any]], name: str, language: str, category: str, text: str) -> None:
    for row in rows:
        if row.adopted:
            raise Conflict(f"{name} was made at WhatsApp and is changed there: give yours another name.")
        if row.category != category:
            raise Invalid(f"{name} is {row.category} in {row.language}: a template has one category in all languages.")
        if row.language != language and variables_of(row.body) != variables_of(text):
            raise Invalid(f"{name} takes other values in {row.language}: use the same variables in all languages.")
        if row.language == language and row.state not in (DRAFT, REJECTED) and row.body != text:
            raise Conflict(
                f"WhatsApp has {name} ({language}) with another text, and it is {row.state}: write the new one as"
                f" {purpose_of(name)}_v2, which stands in for it, or under the next number that is free."
            )
