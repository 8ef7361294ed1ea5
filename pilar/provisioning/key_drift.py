"""A key that is missing or dead is made anew, a few times an hour and no more.

What belongs here: the limit, and telling of it. What does not: finding out that a key is dead (`channel_look.py`) and
making one (`account_keys.py`). Each attempt is committed before it is made, so that it counts whatever becomes of the
worker; beyond the limit a person has to find out who deletes our keys.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import emit
from pilar.backplane.handlers import Work
from pilar.backplane.notices import IncidentRequested, end_incidents, incident
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.provisioning import replacement_store as store
from pilar.provisioning.account_keys import AccountKeys
from pilar.provisioning.drift import AT_MOST, LEFT, MENDED, WELL, WITHIN

CHANNEL = "key"
"""Under which repairs of keys are counted, beside those of webhooks."""
REFUSED_SMS = "sms:20003:{}"
"""The incident of a studio whose SMS are refused, as `messaging/reactions.py` asks for it."""


class KeyDrift:
    """Mends."""

    def __init__(self, database: Database, clocks: Clocks, keys: AccountKeys) -> None:
        self._database = database
        self._clocks = clocks
        self._keys = keys

    def mend(self, work: Work[Any], workspace_id: UUID, key_sid: str | None, found: str | None) -> str:
        """Make a studio's key anew, unless it is well; return what was done, in words.

        Args:
            work: the look.
            workspace_id: the studio.
            key_sid: the key that it has; None: it has none.
            found: what is wrong with it, as a sentence; None: nothing.

        Raises:
            Transient: Twilio can't be asked now.
            Permanent: Twilio refuses.
        """
        now = self._clocks.real.now()
        incident_key = f"channels:key:{workspace_id}"
        with self._database.transaction(Scope.fleet()) as connection:
            if found is None:
                if store.repairs_since(connection, workspace_id, CHANNEL, now - timedelta(days=1)) >= AT_MOST:
                    self._end(connection, work, workspace_id, incident_key)
                return WELL
            tried = store.repairs_since(connection, workspace_id, CHANNEL, now - WITHIN)
            if tried >= AT_MOST:
                request = IncidentRequested(
                    dedupe_key=incident_key,
                    title="A studio's API key at Twilio dies again and again",
                    description=f"{found} We have made {tried} within an hour, and leave it now: find out who deletes"
                    " them.",
                    severity="high",
                    component="twilio_integration",
                )
                asked = incident(request, key=f"{incident_key}:{work.id}", workspace_id=workspace_id)
                emit(connection, self._clocks, [asked], work.cause)
                return LEFT

        def note(connection: Connection) -> None:
            at = self._clocks.real.now()
            store.add_repair(connection, workspace_id, CHANNEL, found, at)
            audit.record(
                connection, actor=audit.SYSTEM, action="provisioning.key_recreated",
                subject=f"twilio:{key_sid or 'no key'}", now=at, workspace_id=workspace_id,
                correlation_id=work.correlation_id, details={"found": found},
            )  # fmt: skip

        self._keys.make(workspace_id, key_sid, work.correlation_id, on_attempt=note, is_budgeted=False)
        with self._database.transaction(Scope.fleet()) as connection:
            self._end(connection, work, workspace_id, REFUSED_SMS.format(workspace_id))
        return MENDED

    def _end(self, connection: Connection, work: Work[Any], workspace_id: UUID, incident_key: str) -> None:
        end_incidents(
            connection, self._clocks, [incident_key], reason="The studio's account has a key that works.",
            cause=work.cause, workspace_id=workspace_id,
        )  # fmt: skip
