"""The steps that get a studio its account and its number at Twilio.

What belongs here: which effects are had, under which name they are found again, and what is kept of them.
Twilio has no idempotency keys: each account and number carries a name of ours, by which it is looked for before it
would be made or bought again.
"""

from __future__ import annotations

from pilar.backplane.effects import Effect, EffectLedger
from pilar.backplane.facts import Cause
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import Conflict, NotFound, Transient
from pilar.providers.twilio.client import TwilioCredentials, TwilioGateway, TwilioNumber
from pilar.provisioning import traces
from pilar.provisioning.steps import Done, Job, Wait
from pilar.provisioning.twilio_ladder import Rung, rungs
from pilar.provisioning.twilio_parents import place
from pilar.settings import Settings
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import seal, unseal

_OFFERED = 20


class TwilioSteps:
    """Subaccount and number."""

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

    def create_subaccount(self, job: Job) -> Done | Wait:
        """Have an account of the studio's own under ours, so that its number, usage and trouble are its own."""
        name = traces.friendly_name(job.workspace_id)
        parent = self._placed(job)
        if parent is None:
            return Wait("us", "All parent accounts at Twilio are full: another has to be added.")
        twilio = self._twilio.under(parent)
        had = self._ledger.perform(
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
        # The account's token is a secret and so not in the ledger: it is read back under the account's name.
        account = twilio.find_subaccount(name)
        if account is None:
            raise Transient("Twilio does not list the new subaccount yet.")
        with self._database.transaction(Scope.fleet()) as connection:
            workspaces.upsert_integration(
                connection,
                job.workspace_id,
                "twilio",
                now=self._clocks.real.now(),
                external_id=account.sid,
                sealed_credentials=seal(self._box, {"auth_token": account.auth_token}),
            )
        return Done({"account_sid": had["sid"]})

    def buy_number(self, job: Job) -> Done | Wait:
        """Have one number in the studio's country, with its webhooks pointing at our door."""
        found = job.result("customer_validation")
        country, ladder = found["country"], rungs(found["country"], found.get("phone"))
        name = traces.friendly_name(job.workspace_id)
        account = self._account(job)
        try:
            bought = self._ledger.perform(
                Effect(
                    kind=traces.NUMBER,
                    key=str(job.workspace_id),
                    call=lambda: traces.as_result(self._buy(account, country, ladder, name)),
                    find=lambda: traces.number(self._twilio, account, job.workspace_id),
                    request={"country": country, "friendly_name": name},
                    workspace_id=job.workspace_id,
                    correlation_id=job.correlation_id,
                )
            )
        except NotFound:
            return Wait("us", f"Twilio has no number to offer in {country}: choose one by hand or another country.")
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

    def _placed(self, job: Job) -> str | None:
        parents = [one.sid for one in self._twilio.parents()]
        capacity = self._settings.twilio_parent_capacity
        with self._database.transaction(Scope.fleet()) as connection:
            story = Cause(correlation_id=job.correlation_id)
            return place(connection, self._clocks, job.workspace_id, parents, capacity, story)

    def _buy(self, account: TwilioCredentials, country: str, ladder: list[Rung], name: str) -> TwilioNumber:
        door = f"{self._settings.public_url}/api/webhooks/twilio"
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
                    return self._twilio.buy_number(account, number, name, f"{door}/sms", f"{door}/status")
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
        return TwilioCredentials(sid, credentials["auth_token"])
