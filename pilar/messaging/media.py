"""Pictures, sounds and files that leads send. What belongs here: fetching each once, keeping it, forgetting it.

WhatsApp keeps what came with a webhook for some days, behind an address that is good for five minutes and wants the
studio's token. So a job fetches it as soon as it can, and it is kept in a table of its own, up to a size: who answers
sees it whenever they look. What is larger is named with its size, and stays on the lead's phone and the studio's.
Fetching changes nothing at WhatsApp, so that it needs no effect: who is killed fetches again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause, Concurrency, Job, enqueue
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import NotFound, Permanent, Transient
from pilar.messaging import media_store as store
from pilar.messaging import store as messages
from pilar.messaging.events import FetchMedia
from pilar.providers.whatsapp.client import GraphClient
from pilar.providers.whatsapp.files import TooLarge
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal

LARGEST = 5 * 1024 * 1024
"""Bytes of one file that is kept: WhatsApp's own bound for pictures, and ten minutes of a voice message."""
AT_ONCE = 4
"""Files that are fetched at the same time, of all studios: they must not keep answers waiting."""
KEPT_FOR = timedelta(days=90)

WAITING, KEPT, TOO_LARGE, GONE, REFUSED = "waiting", "kept", "too_large", "gone", "refused"

SHOWN = frozenset(
    {
        *("image/jpeg", "image/png", "image/webp", "image/gif"),
        *("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"),
        *("video/mp4", "video/3gpp"),
    }
)
"""What a page may show; anything else is a file to be saved, whatever it says it is."""


@dataclass(frozen=True)
class File:
    """A file that is kept; `mime_type` is without parameters."""

    content: bytes
    mime_type: str
    is_shown: bool


def ask_to_fetch(connection: Connection, clocks: Clocks, workspace_id: UUID, message_id: UUID, story: Cause) -> None:
    """Have the file of a message fetched, in the transaction that stores the message."""
    row = messages.get_message(connection, workspace_id, message_id)
    told = row.details or {}
    if "media_id" not in told:
        return
    mime_type = str(told.get("mime_type") or "application/octet-stream")
    store.add(connection, workspace_id, message_id, mime_type, clocks.business.now())
    job = Job(
        payload=FetchMedia(message_id=message_id),
        key=str(message_id),
        workspace_id=workspace_id,
        concurrency=Concurrency("whatsapp-media", AT_ONCE),
    )
    enqueue(connection, clocks, [job], story)


def forget(connection: Connection, workspace_id: UUID, message_id: UUID) -> None:
    """Forget a file whose message was taken back."""
    store.change(connection, workspace_id, message_id, {"state": GONE, "content": None})


def forget_old(connection: Connection, business_now: datetime) -> int:
    """Forget files that were kept for long enough; return how many that were."""
    return store.forget_before(connection, business_now - KEPT_FOR)


def read(connection: Connection, workspace_id: UUID, lead_id: UUID, message_id: UUID) -> File:
    """The file of a lead's message; raise `NotFound` where there is none, or none is kept."""
    lead = messages.get_lead(connection, workspace_id, lead_id)
    row = store.find_of_lead(connection, workspace_id, lead.id, message_id)
    if row is None or row.content is None:
        raise NotFound("There is no such file, or it is not kept here.")
    mime_type = row.mime_type.partition(";")[0].strip().lower()
    return File(bytes(row.content), mime_type, mime_type in SHOWN)


class MediaKeeper:
    """Fetches files."""

    def __init__(self, database: Database, clocks: Clocks, graph: GraphClient, box: SecretBox) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._box = box

    def on_job(self, work: Work[FetchMedia]) -> dict[str, Any]:
        """Fetch a file, and keep it; return what became of it.

        Raises:
            Transient: WhatsApp does not answer now; the queue tries again.
        """
        if work.workspace_id is None:
            raise Permanent("A message belongs to a studio.")
        workspace_id, message_id = work.workspace_id, work.content.message_id
        with self._database.transaction(Scope.fleet()) as connection:
            waiting = store.find(connection, workspace_id, message_id)
            if waiting is None or waiting.state != WAITING:
                return {"state": waiting.state if waiting else "gone"}
            told = messages.get_message(connection, workspace_id, message_id).details or {}
            connected = workspaces.get_integration(connection, workspace_id, "whatsapp")
        if connected is None or connected.sealed_credentials is None:
            return self._keep(workspace_id, message_id, {"state": GONE})
        token = unseal(self._box, connected)["access_token"]
        try:
            content = self._graph.media(token, str(told.get("media_id")), LARGEST)
        except TooLarge as error:
            return self._keep(workspace_id, message_id, {"state": TOO_LARGE, "size": error.size})
        except Transient:
            if work.attempts < work.max_attempts:
                raise
            return self._keep(workspace_id, message_id, {"state": GONE})
        except NotFound:
            return self._keep(workspace_id, message_id, {"state": GONE})
        except Permanent:
            return self._keep(workspace_id, message_id, {"state": REFUSED})
        return self._keep(workspace_id, message_id, {"state": KEPT, "content": content, "size": len(content)})

    def _keep(self, workspace_id: UUID, message_id: UUID, values: dict[str, Any]) -> dict[str, Any]:
        with self._database.transaction(Scope.fleet()) as connection:
            # Who took the message back meanwhile has taken the file back, and of who was erased nothing is kept.
            messages.lock_message(connection, workspace_id, message_id)
            now = store.find(connection, workspace_id, message_id)
            if now is None or now.state != WAITING:
                return {"state": now.state if now else GONE}
            store.change(connection, workspace_id, message_id, {**values, "fetched_at": self._clocks.business.now()})
        return {"state": values["state"], "bytes": values.get("size")}
