"""The API key of a studio's account at Twilio: made once, kept sealed, and made anew where it is dead.

What belongs here: the effect, and keeping the secret. What does not: when a key is looked at (`twilio_steps.py`,
`key_drift.py`).

Twilio tells a key's secret once, in the answer that makes it. So the secret is kept in the transaction that records
the effect as had: whatever dies before that has left at most a key of that name which nobody can use. Such a key is
deleted by whoever comes: the effect's own work, or the look at effects in doubt. Before a key is made all of ours are
deleted, the one that it replaces too, so that an account has one once all is settled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.effects import Closed, Effect, EffectLedger
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Permanent
from pilar.providers.twilio.client import TwilioGateway
from pilar.providers.twilio.credentials import KEY_SECRET, KEY_SID, TwilioKey, by_token
from pilar.provisioning import traces, twilio_store
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import seal, unseal


class AccountKeys:
    """Makes keys, by the account's own token: a key may not."""

    def __init__(
        self, database: Database, clocks: Clocks, twilio: TwilioGateway, ledger: EffectLedger, box: SecretBox
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._twilio = twilio
        self._ledger = ledger
        self._box = box

    def ensure(self, workspace_id: UUID, correlation_id: UUID) -> str:
        """See to it that a studio's account has a key that lives; its SID.

        Raises:
            Transient: Twilio can't be asked now, or somebody else is at it.
            Permanent: the studio has no account, or Twilio refuses.
        """
        sid, kept = self._kept(workspace_id)
        known = kept.get(KEY_SID)
        if known is not None and self._twilio.has_key(by_token(sid, kept), known):
            return known
        return self.make(workspace_id, known, correlation_id)

    def mend_if_dead(self, workspace_id: UUID, correlation_id: UUID) -> bool:
        """Make a studio's key anew where Twilio has it no more; False where it has none yet, or it lives.

        Raises:
            CredentialsRefused: the account's token is refused too, so the key is not what ails it.
            Transient: Twilio can't be asked now, or somebody else is at it.
        """
        _, kept = self._kept(workspace_id)
        known = kept.get(KEY_SID)
        return known is not None and self.ensure(workspace_id, correlation_id) != known

    def make(
        self,
        workspace_id: UUID,
        instead_of: str | None,
        correlation_id: UUID,
        *,
        on_attempt: Callable[[Connection], None] | None = None,
        is_budgeted: bool = True,
    ) -> str:
        """Make a key, unless somebody has done so meanwhile; return the SID of the one that is kept.

        Args:
            workspace_id: whose account.
            instead_of: the key that is dead; None: there is none.
            correlation_id: of the story.
            on_attempt: called in the transaction that records the attempt.
            is_budgeted: whether it uses an API call of the studio's budget.

        Raises:
            Transient: Twilio can't be asked now, or somebody else is at it.
            Permanent: the studio has no account, or Twilio refuses.
        """
        sid, kept = self._kept(workspace_id)
        if KEY_SID in kept and kept[KEY_SID] != instead_of:
            return kept[KEY_SID]
        owner, made = by_token(sid, kept), list[TwilioKey]()
        with self._database.transaction(Scope.fleet()) as connection:
            effect_key = traces.account_key_key(workspace_id, twilio_store.keys_made(connection, workspace_id))
        name, ours = traces.account_key_name(effect_key), traces.friendly_name(workspace_id)

        def call() -> Mapping[str, Any]:
            traces.delete_keys(self._twilio, owner, lambda one: one.startswith(ours))
            made.append(self._twilio.create_key(owner, name))
            return {"key_sid": made[-1].sid}

        def keep(connection: Connection, closed: Closed) -> None:
            if closed.state == "confirmed" and made:
                self._keep(connection, workspace_id, sid, made[-1])

        def look() -> None:
            """What is in doubt was not kept, so it is as if it had not happened once no such key is left."""
            traces.delete_keys(self._twilio, owner, lambda one: one == name)

        had = self._ledger.perform(
            Effect(
                kind=traces.ACCOUNT_KEY,
                key=effect_key,
                call=call,
                find=look,
                on_attempt=on_attempt,
                on_close=keep,
                hold=lambda connection: workspaces.get_integration(connection, workspace_id, "twilio", hold=True),
                request={"friendly_name": name},
                workspace_id=workspace_id,
                is_budgeted=is_budgeted,
                correlation_id=correlation_id,
            )
        )
        return str(had["key_sid"])

    def _keep(self, connection: Connection, workspace_id: UUID, sid: str, key: TwilioKey) -> None:
        account = workspaces.get_integration(connection, workspace_id, "twilio", hold=True)
        if account is None or account.sealed_credentials is None or account.external_id != sid:
            return  # given back meanwhile: the key has gone with its account
        kept = {**unseal(self._box, account), KEY_SID: key.sid, KEY_SECRET: key.secret}
        workspaces.upsert_integration(
            connection, workspace_id, "twilio", now=self._clocks.real.now(), sealed_credentials=seal(self._box, kept)
        )

    def _kept(self, workspace_id: UUID) -> tuple[str, Mapping[str, str]]:
        with self._database.transaction(Scope.fleet()) as connection:
            account = workspaces.get_integration(connection, workspace_id, "twilio")
        kept = unseal(self._box, account)
        if account is None or account.external_id is None:
            raise Permanent("The studio has no account at Twilio.")
        return account.external_id, kept
