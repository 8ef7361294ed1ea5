"""Closing a studio: giving back what it has at the providers. What belongs here: the effects and their order.

What does not: when a studio is closed (`workspaces/standing.py`) and erasing its data (`erasing.py`). The studio's row
says `closed` already when this begins, so that nothing is sent and no number is bought meanwhile. A worker that is
killed leaves nothing undone: the next one goes on (`giving_back.py`).

The WhatsApp account is the studio's own, at Meta: it stays, and we throw away the key to it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Event, emit
from pilar.backplane.handlers import Work
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Conflict, Invalid
from pilar.providers.twilio.credentials import by_token
from pilar.provisioning import channel_store
from pilar.provisioning.events import CloseStudio, SubscriptionRead
from pilar.provisioning.giving_back import GivingBack, Returning
from pilar.provisioning.subscription import notify_owner
from pilar.settings import Settings
from pilar.workspaces import standing_store
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import unseal
from pilar.workspaces.standing import ENDED
from pilar.workspaces.store import Integration


class Closer:
    """Gives back what closed studios have."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        giving_back: GivingBack,
        box: SecretBox,
        settings: Settings,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._giving_back = giving_back
        self._box = box
        self._settings = settings

    def close(self, work: Work[CloseStudio]) -> dict[str, Any]:
        """End what the studio still pays, release its number, close its account at Twilio, and forget its keys.

        Raises:
            Conflict: the studio is not closed.
            Transient: a provider could not do it now; the queue tries again.
        """
        if work.workspace_id is None:
            raise Invalid("A studio is closed, and this work names none.")
        with self._database.transaction(Scope.fleet()) as connection:
            studio = workspaces.get_workspace(connection, work.workspace_id)
            paid = standing_store.find_subscription(connection, work.workspace_id)
            account = workspaces.get_integration(connection, work.workspace_id, "twilio")
        if studio.state != "closed":
            raise Conflict("Only a studio that is closed gives back what it has.")
        done, whose = [], Returning(work.workspace_id, work.correlation_id)
        if paid is not None and paid.status not in ENDED:
            self._giving_back.end_subscription(whose, paid.stripe_subscription_id)
            done.append("subscription")
        if account is not None and account.external_id is not None and account.state != "closed":
            self._give_back(whose, account, account.external_id)
            done.append("twilio")
        self._finish(work, work.workspace_id)
        return {"given_back": done}

    def _give_back(self, whose: Returning, account: Integration, sid: str) -> None:
        if account.phone_number_id is not None:
            credentials = by_token(sid, unseal(self._box, account))
            self._giving_back.release_number(whose, credentials, account.phone_number_id)
        self._giving_back.close_subaccount(whose, sid)

    def _finish(self, work: Work[Any], workspace_id: UUID) -> None:
        now, real_now = self._clocks.business.now(), self._clocks.real.now()
        with self._database.transaction(Scope.fleet()) as connection:
            kept = standing_store.find_standing(connection, workspace_id)
            if kept is None or kept.released_at is not None:
                return
            for provider in ("twilio", "whatsapp"):
                if workspaces.get_integration(connection, workspace_id, provider) is not None:
                    workspaces.upsert_integration(
                        connection, workspace_id, provider, now=real_now, state="closed", sealed_credentials=None
                    )
            erase_at = (kept.closed_at or now) + timedelta(days=self._settings.erased_after_days)
            standing_store.change_standing(connection, workspace_id, {"released_at": now, "erase_at": erase_at})
            audit.record(
                connection, actor=audit.SYSTEM, action="workspace.closed", subject=f"workspace:{workspace_id}",
                now=real_now, workspace_id=workspace_id, correlation_id=work.correlation_id,
            )  # fmt: skip
            audit.tell(
                connection, workspace_id, key="closed", type="workspace.closed", now=now,
                text=f"{_what_became(connection, workspace_id)} Its data is erased on {erase_at:%d %B %Y}.",
            )  # fmt: skip
            notify_owner(connection, self._clocks, workspace_id, "closed", erase_at.isoformat(), work.cause)
            event = Event(
                payload=SubscriptionRead(workspace_id=workspace_id),
                key=f"closed:{workspace_id}",
                aggregate=("workspace", str(workspace_id)),
                workspace_id=workspace_id,
            )
            emit(connection, self._clocks, [event], work.cause)


def _what_became(connection: Connection, workspace_id: UUID) -> str:
    """What has become of the number, for the studio's people."""
    if channel_store.own_of(connection, workspace_id) is not None:
        return "The studio's own number stays the studio's: we have thrown away our key to it."
    return "The studio's number was given back."
