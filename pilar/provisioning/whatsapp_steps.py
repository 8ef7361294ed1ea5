"""The steps that put a studio's number on WhatsApp.

What belongs here: connecting the studio's business account, which only the studio can allow, and registering the
number with the code that WhatsApp sends to it. Each effect is looked for at Meta before it would be repeated.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from pilar.backplane.effects import Effect, EffectLedger
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.database.engine import Database, Scope
from pilar.errors import NotConfigured, Permanent, Transient
from pilar.providers.email.client import Mailer
from pilar.providers.whatsapp.client import GraphClient
from pilar.provisioning import channel_store, store, traces
from pilar.provisioning.number_codes import BoughtNumberCodes
from pilar.provisioning.own_channel import PURCHASE
from pilar.provisioning.own_number_steps import OwnNumbers
from pilar.provisioning.setup import callback_url, setup_link
from pilar.provisioning.setup_mail import compose
from pilar.provisioning.steps import Done, Job, Wait
from pilar.provisioning.traced import have_once
from pilar.settings import Settings
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import opened, seal, unseal

CONNECTED = "CONNECTED"


class WhatsAppSteps:
    """Connection and registration."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        graph: GraphClient,
        mailer: Mailer,
        ledger: EffectLedger,
        box: SecretBox,
        settings: Settings,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._graph = graph
        self._mailer = mailer
        self._ledger = ledger
        self._box = box
        self._settings = settings
        self._own = OwnNumbers(database, clocks, graph, ledger, box)
        self._codes = BoughtNumberCodes(database, clocks, graph, ledger, box)

    def connect(self, job: Job) -> Done | Wait:
        """Have the studio let us act for its WhatsApp business account: Meta wants its owner to agree in person."""
        with self._database.transaction(Scope.fleet()) as connection:
            row = store.get_job(connection, job.id)
            known = workspaces.get_integration(connection, job.workspace_id, "whatsapp")
        if known is not None and known.external_id is not None:
            return Done({"business_account": known.external_id})
        if row.sealed_setup_code is None:
            return self._ask_owner(job, self._box.open(row.sealed_setup_token))
        try:
            token = self._graph.exchange_code(
                self._box.open(row.sealed_setup_code), callback_url(self._settings.public_url)
            )
        except NotConfigured:
            raise
        except Permanent:
            # A code is good for one exchange within minutes. Whether it expired or we crashed just after using it,
            # only the owner can get us another.
            with self._database.transaction(Scope.fleet()) as connection:
                store.set_job(connection, job.id, {"sealed_setup_code": None, "setup_round": row.setup_round + 1})
            raise Transient("Meta's permission has expired: the owner is asked again.") from None
        accounts = self._graph.granted_accounts(token)
        if not accounts:
            with self._database.transaction(Scope.fleet()) as connection:
                store.set_job(connection, job.id, {"sealed_setup_code": None, "setup_round": row.setup_round + 1})
            return Wait("studio", "The owner agreed, but shared no WhatsApp business account: it is asked for again.")
        with self._database.transaction(Scope.fleet()) as connection:
            # What is kept there besides, such as the secret of a studio's own app, stays.
            kept = opened(self._box, workspaces.get_integration(connection, job.workspace_id, "whatsapp", hold=True))
            workspaces.upsert_integration(
                connection,
                job.workspace_id,
                "whatsapp",
                now=self._clocks.real.now(),
                external_id=accounts[0],
                # WhatsApp asks for this PIN when the number is registered again, so it is kept with the token.
                sealed_credentials=seal(
                    self._box, {**kept, "access_token": token, "pin": f"{secrets.randbelow(1_000_000):06d}"}
                ),
            )
            store.set_job(connection, job.id, {"sealed_setup_code": None})
        return Done({"business_account": accounts[0]})

    def register(self, job: Job) -> Done | Wait:
        """Register the studio's number, bought or brought, and have it be the one that the studio sends from."""
        token, account = self._account(job)
        number = self._number(job, token, account)
        if isinstance(number, Wait):
            return number
        number_id = self.put_on(job, number, is_own="own" in job.result(PURCHASE))
        if isinstance(number_id, Wait):
            return number_id
        with self._database.transaction(Scope.fleet()) as connection:
            workspaces.upsert_integration(
                connection,
                job.workspace_id,
                "whatsapp",
                now=self._clocks.real.now(),
                state="connected",
                phone_number=number,
                phone_number_id=number_id,
            )
        return Done({"phone_number_id": number_id, "phone_number": number})

    def put_on(self, job: Job, number: str, *, is_own: bool = False, intent: str | None = None) -> str | Wait:
        """Put a number on WhatsApp: add it, have a code sent to it, prove with it whose it is, switch it on.

        Args:
            job: whose.
            number: in E.164.
            is_own: whether the studio has brought it: what WhatsApp refuses is its owner's to mend.
            intent: what it is registered for, once; None: it is the studio's first. One that was given back and bought
                again is registered again.

        Returns:
            WhatsApp's id of the number; a wait while its code is on the way, or its owner has to act.
        """
        token, account = self._account(job)
        try:
            number_id = self._add_number(job, token, account, number, may_be_there=is_own)
        except Permanent as error:
            if not is_own:
                raise
            return self._own.refused(number, error)
        known = self._graph.phone_number(token, number_id)
        if not known.code_verified:
            prove = self._own.prove if is_own else self._codes.prove
            waiting = prove(job, token, number_id, number)
            if waiting is not None:
                return waiting
        if not (is_own and known.status == CONNECTED):  # one that sends already keeps the PIN that it has
            try:
                self._switch_on(job, token, number_id, intent)
            except Permanent as error:
                if not is_own:
                    raise
                return self._own.refused_registration(number, error)
        self._perform(
            job,
            traces.SUBSCRIBED_APP,
            account,
            lambda: self._graph.subscribe_app(token, account),
            lambda: self._graph.subscribed(token, account),
        )
        return number_id

    def _account(self, job: Job) -> tuple[str, str]:
        """The token and the id of the studio's account."""
        with self._database.transaction(Scope.fleet()) as connection:
            credentials = unseal(self._box, workspaces.get_integration(connection, job.workspace_id, "whatsapp"))
        return credentials["access_token"], job.result("whatsapp_connection")["business_account"]

    def _number(self, job: Job, token: str, account: str) -> str | Wait:
        """The number that was bought, or the one that the studio brings."""
        found = job.result(PURCHASE)
        with self._database.transaction(Scope.fleet()) as connection:
            own = channel_store.own_of(connection, job.workspace_id)
            if (own is None) == ("own" in found):  # it was said otherwise while that step ran
                store.set_step(connection, job.id, PURCHASE, {"status": "pending", "completed_at": None})
                has_changed = True
            else:
                has_changed = False
        if has_changed:
            raise Transient("What the studio brings has changed: its number is seen to first.")
        return self._own.which(job, own, token, account) if own is not None else str(found["phone_number"])

    def _switch_on(self, job: Job, token: str, number_id: str, intent: str | None) -> None:
        with self._database.transaction(Scope.fleet()) as connection:
            pin = unseal(self._box, workspaces.get_integration(connection, job.workspace_id, "whatsapp"))["pin"]
        self._perform(
            job,
            traces.REGISTERED_NUMBER,
            number_id if intent is None else f"{number_id}:{intent}",
            lambda: self._graph.register(token, number_id, pin),
            lambda: traces.is_registered(self._graph, token, number_id),
        )

    def _ask_owner(self, job: Job, setup_token: str) -> Wait:
        """Send the owner the link, once per round; without mail the founder finds it on the overview."""
        found = job.result("customer_validation")
        link = setup_link(self._settings.public_url, setup_token)
        reason = "The owner has to connect the studio's WhatsApp account: Meta wants the owner's own consent."
        if self._settings.smtp_url is None:
            return Wait("studio", f"{reason} No mail server is set up: pass the link on yourself.")
        mail = compose(found["owner_name"], found["studio_name"], link)

        def send() -> Mapping[str, Any]:
            message_id = f"setup.{job.id}.{job.setup_round}"
            self._mailer.send(found["email"], mail.subject, mail.text, mail.html, message_id)
            return {}

        self._ledger.perform(
            Effect(
                kind=traces.SETUP_MAIL,
                key=f"{job.id}:{job.setup_round}",
                call=send,
                request={"to": found["email"]},
                workspace_id=job.workspace_id,
                correlation_id=job.correlation_id,
            )
        )
        return Wait("studio", reason)

    def _add_number(self, job: Job, token: str, account: str, number: str, *, may_be_there: bool) -> str:
        name = job.result("customer_validation")["studio_name"]

        def add() -> Mapping[str, Any]:
            there = traces.added_number(self._graph, token, account, number) if may_be_there else None
            return there or {"id": self._graph.add_phone_number(token, account, number, name)}

        added = self._ledger.perform(
            Effect(
                kind=traces.ADDED_NUMBER,
                key=f"{account}:{number}",
                call=add,
                find=lambda: traces.added_number(self._graph, token, account, number),
                workspace_id=job.workspace_id,
                correlation_id=job.correlation_id,
            )
        )
        return str(added["id"])

    def _perform(self, job: Job, kind: str, key: str, call: Callable[[], None], is_done: Callable[[], bool]) -> None:
        """An effect without an answer of interest, that can be told from its traces afterwards."""
        have_once(
            self._ledger, kind, key, call, is_done,
            workspace_id=job.workspace_id, correlation_id=job.correlation_id,
        )  # fmt: skip
