"""The set-up link: what the studio's owner sees and does.

What belongs here: opening the link, and taking what Meta hands back. What does not: pages (the web service's) and
what is done with Meta's permission (`whatsapp_steps.py`).

The link's token is the `state` of Meta's dialog too, so that an answer can only come to the studio that asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.errors import Invalid, NotConfigured, NotFound
from pilar.providers.whatsapp.client import GraphClient
from pilar.provisioning import store
from pilar.provisioning.runner import wake
from pilar.settings import Settings
from pilar.tokens import token_hash

CONNECTION_STEP = "whatsapp_connection"


@dataclass(frozen=True)
class SetupView:
    """What the owner is shown.

    Attributes:
        done: nothing is left for the owner to do.
        connect_url: where the owner gives consent; None where that can't be done now.
    """

    workspace_id: UUID
    studio_name: str
    done: bool
    connect_url: str | None


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
        steps = {step.name: step for step in store.steps_of(connection, job.id)}
        done = job.sealed_setup_code is not None or steps[CONNECTION_STEP].status == "completed"
        connect_url = None
        if not done:
            try:
                connect_url = self._graph.signup_url(token, callback_url(self._settings.public_url))
            except NotConfigured:
                connect_url = None  # the page says that we have to be asked; the overview says what is missing
        found = steps["customer_validation"].result or {}
        return SetupView(job.workspace_id, found.get("studio_name", "Your studio"), done, connect_url)

    def link_of(self, connection: Connection, workspace_id: UUID) -> str:
        """The link of a studio that waits for its owner.

        Raises:
            NotFound: nothing waits on the studio, or this scope sees no such studio.
        """
        job = store.job_of_workspace(connection, workspace_id)
        if not any(step.waits_on == "studio" for step in store.steps_of(connection, job.id)):
            raise NotFound("Nothing waits on this studio.")
        return setup_link(self._settings.public_url, self._box.open(job.sealed_setup_token))

    def complete(self, connection: Connection, token: str, code: str) -> SetupView:
        """Take the code that Meta gave the owner, and let the job go on.

        A code that comes twice, or after the account is connected, changes nothing.

        Raises:
            NotFound: the state belongs to no studio.
            Invalid: there is no code.
        """
        if not code:
            raise Invalid("Meta sent no code: please try once more.")
        job = store.job_by_token(connection, token_hash(token))
        steps = {step.name: step for step in store.steps_of(connection, job.id)}
        if steps[CONNECTION_STEP].status != "completed" and job.sealed_setup_code is None:
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
