"""How a studio's channels are, and having them looked at. What belongs here: the shape of requests and answers.

What does not: the rules, which are provisioning's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pilar.backplane.facts import Cause
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.provisioning import channel_overview
from pilar.provisioning.channel_look import ask_to_look
from pilar.workspaces import store as workspaces
from webhook_ingest.deps import System


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class StandingItem(_Shown):
    """How WhatsApp stands to the number; `restricted` is in WhatsApp's words, null where nothing is forbidden."""

    quality: str
    messaging_limit: int | None = Field(description="People written to outside the window in 24 hours; null: any.")
    throughput: int = Field(description="Messages per second.")
    restricted: str | None
    restricted_until: datetime | None
    status: str | None
    name_status: str | None
    review: str | None
    verification: str | None
    read_at: datetime | None = Field(description="When WhatsApp was last asked, business time.")


class ReplacementItem(_Shown):
    """A number that was lost and the one in its place; `begun_at` is real time, the others business time."""

    old_number: str
    new_number: str | None
    why: str
    waits_on: str | None
    wait_reason: str | None
    begun_at: datetime
    moved_at: datetime | None
    ended_at: datetime | None
    outcome: str | None


class ChannelsSeen(_Shown):
    """What the last look found; `looked_at` and `look_at` are real time."""

    workspace_id: UUID
    looked_at: datetime | None
    look_at: datetime | None
    trouble: str | None
    waits_on: str | None
    reason: str | None
    troubled_since: datetime | None
    standing: StandingItem
    repairs: dict[str, int] = Field(description="By channel: webhooks pointed to us within the last hour, at most 3.")
    replacements: list[ReplacementItem]


class LookAskedFor(BaseModel):
    """The channels are looked at; what is found is shown by the same path with GET."""

    workspace_id: UUID
    status: Literal["accepted"] = "accepted"


def channels_seen(app: System, workspace_id: UUID) -> ChannelsSeen:
    """A studio's channels as the last look found them."""
    with app.database.transaction(Scope.workspace(workspace_id)) as connection:
        workspaces.get_workspace(connection, workspace_id)
        found = channel_overview.seen(connection, app.clocks, workspace_id)
    return ChannelsSeen.model_validate({**vars(found), "workspace_id": workspace_id})


def look_at_channels(app: System, workspace_id: UUID) -> LookAskedFor:
    """Have a studio's channels looked at now; many who ask at once are one."""
    with app.database.transaction(Scope.fleet()) as connection:
        workspaces.get_workspace(connection, workspace_id)
        ask_to_look(connection, app.clocks, workspace_id, occasion=f"asked:{new_id()}", story=Cause.new())
    return LookAskedFor(workspace_id=workspace_id)
