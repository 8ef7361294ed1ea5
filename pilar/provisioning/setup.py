"""The set-up link: what the studio's owner sees and does.

What belongs here: opening the link, and taking what Meta hands back. What does not: pages (the web service's) and
what is done with Meta's permission (`whatsapp_steps.py`).

The link's token is the `state` of Meta's dialog too, so that an answer can only come to the studio that asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.facts import Cause
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.errors import Conflict, Invalid, NotConfigured, NotFound
from pilar.ids import new_id
from pilar.messaging import number_news, template_store
from pilar.messaging.purposes import REJECTED, purposes_of
from pilar.providers.whatsapp.client import GraphClient
from pilar.provisioning import number_wait_store, own_channel, prerequisite_store, store
from pilar.provisioning.next_thing import CONNECTION_STEP, NextThing, next_thing
from pilar.provisioning.number_waits import OWN
from pilar.provisioning.own_channel import OwnChannel
from pilar.provisioning.prerequisites import Prerequisite
from pilar.provisioning.runner import wake
from pilar.settings import Settings
from pilar.tokens import token_hash


@dataclass(frozen=True)
class SetupView:
    """What the owner is shown.

    Attributes:
        done: nothing is left for the owner to do.
        connect_url: where the owner gives consent; None where that can't be done now.
        next: the one thing to do next.
        own: the number or account that the studio brings along, and what can be done about it.
        prerequisites: what WhatsApp wants, one by one, as it stood last; none before it was asked.
        rejected: templates that WhatsApp won't have, whose texts can be mended.
        gone: names of templates that are gone, whose texts can be submitted again.
    """

    workspace_id: UUID
    studio_name: str
    done: bool
    connect_url: str | None
    next: NextThing
    own: OwnChannel
    prerequisites: Sequence[Prerequisite]
    rejected: Sequence[Row[Any]]
    gone: Sequence[str]


def setup_link(public_url: str, token: str) -> str:
    """The link that the owner is sent."""
    return f"{public_url}/setup/{token}"


def callback_url(public_url: str) -> str:
    """Where Meta sends the owner back to."""
    return f"{public_url}/setup/callback"


class Setup:
    """Serves the set-up link."""

    def __init__(self, clocks: Clocks, graph: GraphClient, box: SecretBox, settings: Settings) -> None:
        self._clocks = clocks
        self._graph = graph
        self._box = box
        self._settings = settings

    def open(self, connection: Connection, token: str) -> SetupView:
        """What is left for the owner to do; raise `NotFound` for a link that leads nowhere. Needs the fleet's scope."""
        job = store.job_by_token(connection, token_hash(token))
        rows = store.steps_of(connection, job.id)
        following = next_thing(job, rows, number_wait_store.find(connection, job.workspace_id, OWN))
        connect_url = None
        if following.kind == "connect":
            try:
                connect_url = self._graph.signup_url(token, callback_url(self._settings.public_url))
            except NotConfigured:
                connect_url = None  # the page says that we have to be asked; the overview says what is missing
        found = store.job_view(job, rows).results.get("customer_validation", {})
        done = following.kind not in ("connect", "act", "pay")
        own = own_channel.view_of(connection, self._clocks, job, rows)
        templates = template_store.templates_of(connection, job.workspace_id)
        return SetupView(
            workspace_id=job.workspace_id,
            studio_name=found.get("studio_name", "Your studio"),
            done=done,
            connect_url=connect_url,
            next=following,
            own=own,
            prerequisites=prerequisite_store.prerequisites_of(connection, job.workspace_id),
            rejected=[row for row in templates if row.state == REJECTED and not row.adopted],
            gone=sorted({row.name for purpose in purposes_of(templates) for row in purpose.again}),
        )

    def studio_of(self, connection: Connection, token: str) -> UUID:
        """The studio that a link is for; raise `NotFound` for a link that leads nowhere. Needs the fleet's scope."""
        found: UUID = store.job_by_token(connection, token_hash(token)).workspace_id
        return found

    def look_again(self, connection: Connection, workspace_id: UUID) -> NextThing:
        """The owner says that everything is done: have the job look for itself, and tell what is left.

        Needs the fleet's scope.

        Raises:
            NotFound: there is no such studio.
        """
        job = store.job_of_workspace(connection, workspace_id)
        number_wait = number_wait_store.find(connection, workspace_id, OWN)
        following = next_thing(job, store.steps_of(connection, job.id), number_wait)
        story = job.correlation_id
        if number_wait is not None:
            occasion = f"owner:{new_id()}"
            number_news.ask_to_read(connection, self._clocks, workspace_id, occasion=occasion, story=Cause(story))
        elif following.kind in ("act", "pay", "wait") and job.state != "failed":
            wake(connection, self._clocks, job, cause=f"owner:{new_id()}", correlation_id=story)
        return following

    def link_of(self, connection: Connection, workspace_id: UUID) -> str:
        """The link of a studio that waits for its owner, or whose owner may still say that it brings a number.

        Raises:
            NotFound: nothing waits on the studio, or this scope sees no such studio.
        """
        job = store.job_of_workspace(connection, workspace_id)
        rows = store.steps_of(connection, job.id)
        may_bring = own_channel.view_of(connection, self._clocks, job, rows).may_change
        is_waited_for = any(step.waits_on == "studio" for step in rows)
        if not (may_bring or is_waited_for or number_wait_store.find(connection, workspace_id, OWN)):
            raise NotFound("Nothing waits on this studio.")
        return setup_link(self._settings.public_url, self._box.open(job.sealed_setup_token))

    def complete(self, connection: Connection, token: str, code: str) -> SetupView:
        """Take the code that Meta gave the owner, and let the job go on.

        A code that comes twice, or after the account is connected, changes nothing.

        Raises:
            NotFound: the state belongs to no studio.
            Invalid: there is no code.
            Conflict: the signup was taken back.
        """
        if not code:
            raise Invalid("Meta sent no code: please try once more.")
        job = store.job_by_token(connection, token_hash(token))
        if job.state in store.TAKEN_BACK:
            raise Conflict("This signup was taken back: it does not go on. A new payment begins a new studio.")
        connected = any(
            step.name == CONNECTION_STEP and step.status == "completed" for step in store.steps_of(connection, job.id)
        )
        if not connected and job.sealed_setup_code is None:
            store.set_job(connection, job.id, {"sealed_setup_code": self._box.seal(code)})
            audit.record(
                connection,
                actor="setup link",
                action="provisioning.owner_consented",
                subject=f"step:{CONNECTION_STEP}",
                now=self._clocks.real.now(),
                workspace_id=job.workspace_id,
                correlation_id=job.correlation_id,
            )
            wake(
                connection,
                self._clocks,
                job,
                cause=f"setup:{job.setup_round}",
                correlation_id=job.correlation_id,
            )
        return self.open(connection, token)
