"""The steps that get a studio its account, its key and its number at Twilio.

What belongs here: which effects are had, under which name they are found again, and what is kept of them.
Twilio has no idempotency keys: each account and number carries a name of ours, by which it is looked for before it
would be made or bought again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.facts import Cause
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Conflict, CredentialsRefused, NoRoom, NotFound, TooManyRequests, Transient
from pilar.masking import mask_text
from pilar.providers.twilio.client import TwilioGateway, TwilioNumber
from pilar.providers.twilio.credentials import AUTH_TOKEN, TwilioCredentials, of_account
from pilar.provisioning import channel_store, number_purchases, traces
from pilar.provisioning.account_keys import AccountKeys
from pilar.provisioning.steps import Done, Job, Wait
from pilar.provisioning.twilio_ladder import Rung, rungs
from pilar.provisioning.twilio_parents import place, turned_away
from pilar.settings import Settings
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import opened, seal, unseal

_OFFERED = 20


def sms_url(settings: Settings) -> str:
    """Where Twilio posts messages that come to a number of ours."""
    return f"{settings.public_url}/api/webhooks/twilio/sms"


def status_url(settings: Settings) -> str:
    """Where Twilio posts what becomes of a number of ours."""
    return f"{settings.public_url}/api/webhooks/twilio/status"


class TwilioSteps:
    """Subaccount, key and number."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        twilio: TwilioGateway,
        ledger: EffectLedger,
        box: SecretBox,
        settings: Settings,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._twilio = twilio
        self._ledger = ledger
        self._box = box
        self._settings = settings
        self._keys = AccountKeys(database, clocks, twilio, ledger, box)

    def create_subaccount(self, job: Job) -> Done | Wait:
        """Have an account of the studio's own under ours, so that its number, usage and trouble are its own."""
        name = traces.friendly_name(job.workspace_id)
        refused: CredentialsRefused | None = None
        while True:
            parent = self._placed(job)
            if parent is None and refused is not None:
                raise refused
            if parent is None:
                return Wait("us", "No parent account at Twilio takes another studio: one has to be added.")
            twilio = self._twilio.under(parent)
            try:
                had = self._create_under(job, twilio, name, parent)
                break
            except (NoRoom, CredentialsRefused) as error:
                # Each parent is set aside once, so this comes to an end.
                refused = error if isinstance(error, CredentialsRefused) else refused
                with self._database.transaction(Scope.fleet()) as connection:
                    turned_away(connection, self._clocks, job.workspace_id, parent, mask_text(error.message))
        # The account's token is a secret and so not in the ledger: it is read back under the account's name.
        account = twilio.find_subaccount(name)
        if account is None:
            raise Transient("Twilio does not list the new subaccount yet.")
        with self._database.transaction(Scope.fleet()) as connection:
            known = workspaces.get_integration(connection, job.workspace_id, "twilio", hold=True)
            # A step that is run again leaves the account what it was given since: its key, a second token.
            kept = opened(self._box, known) if known is not None and known.external_id == account.sid else {}
            workspaces.upsert_integration(
                connection,
                job.workspace_id,
                "twilio",
                now=self._clocks.real.now(),
                external_id=account.sid,
                sealed_credentials=seal(self._box, {**kept, AUTH_TOKEN: account.auth_token}),
            )
        return Done({"account_sid": had["sid"]})

    def create_key(self, job: Job) -> Done:
        """Have an API key of the account, which calls are made with from then on; the token makes it."""
        return Done({"key_sid": self._keys.ensure(job.workspace_id, job.correlation_id)})

    def _create_under(self, job: Job, twilio: TwilioGateway, name: str, parent: str) -> Mapping[str, Any]:
        return self._ledger.perform(
            Effect(
                kind=traces.SUBACCOUNT,
                key=str(job.workspace_id),
                call=lambda: {"sid": twilio.create_subaccount(name).sid},
                find=lambda: traces.subaccount(twilio, job.workspace_id),
                request={"friendly_name": name, "parent": parent},
                workspace_id=job.workspace_id,
                correlation_id=job.correlation_id,
            )
        )

    def buy_number(self, job: Job) -> Done | Wait:
        """Have one number in the studio's country, with its webhooks pointing at our door; none where it brings one.

        The number that the studio has by now is kept, be it one that took another's place.

        Raises:
            CredentialsRefused: Twilio refuses the account; where it was but the key that is dead, that is made anew.
        """
        try:
            return self._number(job)
        except CredentialsRefused:
            if not self._keys.mend_if_dead(job.workspace_id, job.correlation_id):
                raise
            raise Transient("The account's key was dead: there is another now.") from None

    def _number(self, job: Job) -> Done | Wait:
        with self._database.transaction(Scope.fleet()) as connection:
            own = channel_store.own_of(connection, job.workspace_id)
            known = workspaces.get_integration(connection, job.workspace_id, "twilio")
        if own is not None:  # which number that is, is asked once the owner is there
            return Done({"own": own.brings})
        if known is not None and known.phone_number_id is not None:
            if self._twilio.owns_number(self._account(job), known.phone_number_id):
                return Done({"number_sid": known.phone_number_id, "phone_number": known.phone_number})
            with self._database.transaction(Scope.fleet()) as connection:
                number_purchases.note_lost(connection, self._clocks, job.workspace_id, known.phone_number_id)
        bought = self.purchase(job)
        if isinstance(bought, Wait):
            return bought
        with self._database.transaction(Scope.fleet()) as connection:
            workspaces.upsert_integration(
                connection,
                job.workspace_id,
                "twilio",
                now=self._clocks.real.now(),
                state="connected",
                phone_number=bought["phone_number"],
                phone_number_id=bought["number_sid"],
            )
        return Done(bought)

    def purchase(self, job: Job, intent: str | None = None) -> Mapping[str, Any] | Wait:
        """Buy a number, once per intent and one a day; nothing is kept of it beside the effect.

        Args:
            job: whose, with what is known of the owner.
            intent: the replacement that it is bought for; None: it is the number that the studio should have.
        """
        found = job.result("customer_validation")
        country, ladder = found["country"], rungs(found["country"], found.get("phone"))
        account = self._account(job)
        with self._database.transaction(Scope.fleet()) as connection:
            key = (
                number_purchases.next_key(connection, job.workspace_id)
                if intent is None
                else traces.number_key(job.workspace_id, intent)
            )
        name = traces.number_name(job.workspace_id, key)
        try:
            return self._ledger.perform(
                Effect(
                    kind=traces.NUMBER,
                    key=key,
                    call=lambda: traces.as_result(self._buy(account, country, ladder, name)),
                    find=lambda: traces.number(self._twilio, account, job.workspace_id, key),
                    on_attempt=lambda connection: number_purchases.intend(
                        connection, self._clocks, job.workspace_id, key
                    ),
                    request={"country": country, "friendly_name": name},
                    workspace_id=job.workspace_id,
                    correlation_id=job.correlation_id,
                )
            )
        except NotFound:
            return Wait("us", f"Twilio has no number to offer in {country}: choose one by hand or another country.")
        except TooManyRequests as error:
            return Wait("us", error.message)

    def _placed(self, job: Job) -> str | None:
        parents = [one.sid for one in self._twilio.parents()]
        capacity = self._settings.twilio_parent_capacity
        with self._database.transaction(Scope.fleet()) as connection:
            story = Cause(correlation_id=job.correlation_id)
            return place(connection, self._clocks, job.workspace_id, parents, capacity, story)

    def _buy(self, account: TwilioCredentials, country: str, ladder: list[Rung], name: str) -> TwilioNumber:
        webhooks = sms_url(self._settings), status_url(self._settings)
        tried: set[str] = set()
        for rung in ladder:
            offered = self._twilio.available_numbers(
                account, country, rung.area_code, _OFFERED, near=rung.near, region=rung.region, begins=rung.begins
            )
            for number in offered:
                if number in tried:
                    continue
                tried.add(number)
                try:
                    return self._twilio.buy_number(account, number, name, *webhooks)
                except Conflict:
                    continue  # somebody else was quicker; the next one on offer
        if not tried:
            raise NotFound(f"Twilio has no number to offer in {country}.")
        raise Transient("All numbers on offer were taken meanwhile.")

    def _account(self, job: Job) -> TwilioCredentials:
        with self._database.transaction(Scope.fleet()) as connection:
            integration = workspaces.get_integration(connection, job.workspace_id, "twilio")
        credentials = unseal(self._box, integration)
        sid = job.result("twilio_subaccount")["account_sid"]
        return of_account(sid, credentials)
