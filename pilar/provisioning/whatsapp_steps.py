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
from pilar.provisioning import store, traces
from pilar.provisioning.setup import callback_url, setup_link
from pilar.provisioning.setup_mail import compose
from pilar.provisioning.steps import Done, Job, Wait
from pilar.provisioning.traced import have_once
from pilar.settings import Settings
from pilar.workspaces import store as workspaces
from pilar.workspaces.credentials import opened, seal, unseal

CODES_TRIED_AT_MOST = 3


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
        """Register the number: add it, have a code sent to it, prove with the code that it is ours, switch it on."""
        with self._database.transaction(Scope.fleet()) as connection:
            credentials = unseal(self._box, workspaces.get_integration(connection, job.workspace_id, "whatsapp"))
        token = credentials["access_token"]
        account = job.result("whatsapp_connection")["business_account"]
        number = job.result("phone_number_purchase")["phone_number"]
        number_id = self._add_number(job, token, account, number)
        if not self._graph.phone_number(token, number_id).code_verified:
            waiting = self._verify(job, token, number_id)
            if waiting is not None:
                return waiting
        self._perform(
            job,
            traces.REGISTERED_NUMBER,
            number_id,
            lambda: self._graph.register(token, number_id, credentials["pin"]),
            lambda: traces.is_registered(self._graph, token, number_id),
        )
        self._perform(
            job,
            traces.SUBSCRIBED_APP,
            account,
            lambda: self._graph.subscribe_app(token, account),
            lambda: self._graph.subscribed(token, account),
        )
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

    def _add_number(self, job: Job, token: str, account: str, number: str) -> str:
        name = job.result("customer_validation")["studio_name"]

        added = self._ledger.perform(
            Effect(
                kind=traces.ADDED_NUMBER,
                key=f"{account}:{number}",
                call=lambda: {"id": self._graph.add_phone_number(token, account, number, name)},
                find=lambda: traces.added_number(self._graph, token, account, number),
                workspace_id=job.workspace_id,
                correlation_id=job.correlation_id,
            )
        )
        return str(added["id"])

    def _verify(self, job: Job, token: str, number_id: str) -> Wait | None:
        """Have a code sent and prove it; a wait while it is on its way, None when the number is proven."""
        with self._database.transaction(Scope.fleet()) as connection:
            code = store.unused_code(connection, job.workspace_id)
            tried = store.codes_tried(connection, job.workspace_id)
        if tried >= CODES_TRIED_AT_MOST:
            raise Permanent(f"WhatsApp refused {tried} codes for this number.")
        if code is None:
            language = job.result("customer_validation").get("language", "en")
            self._perform(
                job,
                traces.REQUESTED_CODE,
                f"{number_id}:{tried}",
                lambda: self._graph.request_code(token, number_id, language),
                lambda: self._has_code(job),
            )
            with self._database.transaction(Scope.fleet()) as connection:
                code = store.unused_code(connection, job.workspace_id)
            if code is None:
                return Wait("meta", "WhatsApp has been asked to send the number its code.")
        try:
            self._perform(
                job,
                traces.VERIFIED_CODE,
                f"{number_id}:{code.message_id}",
                lambda: self._graph.verify_code(token, number_id, self._box.open(code.sealed_code)),
                lambda: traces.is_verified(self._graph, token, number_id),
            )
        except NotConfigured:
            raise
        except Permanent as error:
            self._use(job, code.message_id)
            raise Transient("WhatsApp refused the code; another one is asked for.") from error
        self._use(job, code.message_id)
        return None

    def _has_code(self, job: Job) -> bool:
        with self._database.transaction(Scope.fleet()) as connection:
            return store.unused_code(connection, job.workspace_id) is not None

    def _use(self, job: Job, message_id: str) -> None:
        with self._database.transaction(Scope.fleet()) as connection:
            store.use_code(connection, job.workspace_id, message_id, self._clocks.real.now())

    def _perform(self, job: Job, kind: str, key: str, call: Callable[[], None], is_done: Callable[[], bool]) -> None:
        """An effect without an answer of interest, that can be told from its traces afterwards."""
        have_once(
            self._ledger, kind, key, call, is_done,
            workspace_id=job.workspace_id, correlation_id=job.correlation_id,
        )  # fmt: skip
