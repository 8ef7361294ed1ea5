"""Another text for a template that WhatsApp has rejected. What belongs here: checking it, and having it reviewed.

What does not: what a studio's texts are in general, which is a part of its configuration (`defaults.py`): the mended
text is put there, so that it is the studio's from then on.
"""

from __future__ import annotations

from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection

from pilar.errors import Conflict, Invalid, NotFound
from pilar.messaging import template_store
from pilar.messaging.purposes import REJECTED, variables_of
from pilar.provisioning.defaults import DefaultsKeeper
from pilar.workspaces.configuration import FollowupConfiguration


def mend(
    connection: Connection, keeper: DefaultsKeeper, workspace_id: UUID, name: str, language: str, body: str, actor: str
) -> None:
    """Give a rejected template another text, and have that reviewed.

    Args:
        connection: a transaction in the fleet's scope.
        keeper: of the studio's configuration.
        workspace_id: the studio.
        name: the template's.
        language: the template's.
        body: the text, with the same variables as before.
        actor: who, as in the audit log.

    Raises:
        NotFound: there is no such template.
        Conflict: it is not rejected, or it was made at WhatsApp.
        Invalid: the text is the same, lacks a variable, or is none that WhatsApp takes.
    """
    row = template_store.find_template(connection, workspace_id, name, language)
    if row is None:
        raise NotFound(f"There is no template {name} in {language}.")
    if row.adopted:
        raise Conflict(f"{name} was made at WhatsApp and is changed there.")
    if row.state != REJECTED:
        raise Conflict(f"Only a text that WhatsApp has rejected is mended, and {name} ({language}) is {row.state}.")
    text = body.strip()
    if text == row.body:
        raise Invalid("This is the text that WhatsApp has rejected: change it first.")
    if variables_of(text) != variables_of(row.body):
        wanted = ", ".join(f"{{{{{number}}}}}" for number in sorted(variables_of(row.body))) or "no variable"
        raise Invalid(f"The text has to hold the same variables as before: {wanted}.")
    if text.startswith("{{") or text.endswith("}}"):
        raise Invalid("WhatsApp takes no text that begins or ends with a variable.")
    section = keeper.read(connection, workspace_id).parts["followups"]
    if not isinstance(section, FollowupConfiguration):
        raise NotFound("The studio has no templates of its own.")
    templates = tuple(
        one.model_copy(update={"bodies": {**one.bodies, language: text}}) if one.name == name else one
        for one in section.templates
    )
    try:
        wanted_section = FollowupConfiguration.model_validate(
            section.model_copy(update={"templates": templates}).model_dump()
        )
    except ValidationError as error:
        raise Invalid(f"WhatsApp takes no such text: {error.errors()[0]['msg']}.") from error
    note = f"{name} ({language}) mended"
    keeper.change(
        connection, workspace_id, {"followups": wanted_section}, expected_version=None, actor=actor, note=note
    )
