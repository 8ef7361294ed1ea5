"""The people of a studio over the API. What belongs here: the shapes; the rules are security's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pilar.database.engine import Scope
from pilar.security import members
from webhook_ingest.deps import Asked, System


class MemberItem(BaseModel):
    """Somebody who works in a studio; `since` is business time."""

    person_id: UUID
    name: str
    email: str
    role: Literal["owner", "member"]
    since: datetime


class MemberList(BaseModel):
    """A studio's people; `limit` is how many the plan has room for besides the owner, `room` how many more."""

    items: list[MemberItem]
    plan: Literal["BASIC", "PRO"]
    limit: int
    room: int


class MemberRequest(BaseModel):
    """Who is to be let in; the invitation goes to that address."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[str, Field(max_length=members.LONGEST_ADDRESS)]
    name: Annotated[str, Field(max_length=members.LONGEST_NAME)]


def list_members(app: System, workspace_id: UUID) -> MemberList:
    """A studio's people, and for how many more there is room."""
    with app.database.transaction(Scope.fleet()) as connection:
        found = members.people_of(connection, workspace_id)
    items = [MemberItem.model_validate(one, from_attributes=True) for one in found.members]
    return MemberList(items=items, plan=found.plan.value, limit=found.limit, room=found.room)


def add_member(app: System, caller: Asked, workspace_id: UUID, wanted: MemberRequest) -> MemberItem:
    """Let somebody work in a studio, and invite them by mail; who is there already stays as they are."""
    with app.database.transaction(Scope.fleet()) as connection:
        added, _ = members.add_member(
            connection, app.clocks, workspace_id, email=wanted.email, name=wanted.name, actor=caller.principal.actor
        )
    return MemberItem.model_validate(added, from_attributes=True)


def remove_member(app: System, caller: Asked, workspace_id: UUID, person_id: UUID) -> None:
    """Let somebody work in a studio no more."""
    with app.database.transaction(Scope.fleet()) as connection:
        members.remove_member(connection, app.clocks, workspace_id, person_id, actor=caller.principal.actor)
