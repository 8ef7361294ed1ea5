"""Inviting people by mail. What belongs here: the mail, its link, and that it is sent only while it is true.

What does not: who may be let in (`members.py`). The link is made when the mail is sent, since only its hash is kept;
a mail of unknown fate is sent again under the same Message-ID, with a link of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from html import escape
from typing import Any

from pilar.backplane import audit
from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Invalid
from pilar.providers.email.client import Mailer
from pilar.security import sessions, store
from pilar.security.events import InviteMember
from pilar.settings import Settings
from pilar.workspaces.store import get_workspace

INVITATION = "mail.member_invited"
LASTS = timedelta(days=7)


class Invitations:
    """Sends invitations."""

    def __init__(
        self, database: Database, clocks: Clocks, mailer: Mailer, ledger: EffectLedger, settings: Settings
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._mailer = mailer
        self._ledger = ledger
        self._settings = settings

    def send(self, work: Work[InviteMember]) -> dict[str, Any]:
        """Send an invitation, unless the person has left the studio again.

        Raises:
            Transient: the mail server did not take it now; the queue tries again.
        """
        person_id, workspace_id = work.content.person_id, work.workspace_id
        if workspace_id is None:
            raise Invalid("An invitation is to a studio, and this one names none.")
        if self._settings.smtp_url is None:
            return {"skipped": "no mail server is set up"}
        with self._database.transaction(Scope.fleet()) as connection:
            person, studio = store.person_by_id(connection, person_id), get_workspace(connection, workspace_id)
            if person is None or studio.state == "closed" or workspace_id not in store.roles_of(connection, person_id):
                return {"skipped": "they don't work there any more"}

        def call() -> Mapping[str, Any]:
            with self._database.transaction(Scope.fleet()) as connection:
                now = self._clocks.real.now()
                token = sessions.make_sign_in_link(connection, person_id, actor=audit.SYSTEM, now=now, lasts=LASTS)
            link = f"{self._settings.public_url}/sign-in/link/{token}"
            lines = (
                f"Hello {person.name},",
                f"you may work in {studio.name} from now on: see what leads write, and answer them.",
                f"This link signs you in, once, within {LASTS.days} days. It is yours alone; please don't pass it on.",
            )
            html = "".join(f"<p>{escape(line)}</p>" for line in lines)
            html += f'<p><a href="{escape(link)}">Sign in</a></p>'
            subject = f"You are invited to {studio.name}"
            self._mailer.send(person.email, subject, "\n\n".join((*lines, link)), html, f"invitation.{work.id}")
            return {}

        wanted = Effect(
            kind=INVITATION, key=str(work.id), call=call, workspace_id=workspace_id,
            correlation_id=work.correlation_id, is_budgeted=False,
        )  # fmt: skip
        self._ledger.perform(wanted)
        return {"sent": INVITATION}
