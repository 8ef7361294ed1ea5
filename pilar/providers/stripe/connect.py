"""Whom we pay by way of Stripe. What belongs here: connected accounts, transfers to them, reversals, balances.

What does not: what somebody is owed, and whether it may be paid out (`affiliates`). Amounts are in minor units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pilar.money import Money
from pilar.providers import documents
from pilar.providers.documents import Document, Unreadable
from pilar.providers.stripe import payments
from pilar.providers.stripe.session import StripeSession

if TYPE_CHECKING:
    from stripe.params import TransferCreateParams

AFFILIATE_KEY = "pilar_affiliate"
"""The metadata of a connected account that names whose it is."""
PAGE = 100


@dataclass(frozen=True)
class StripeAccount:
    """A connected account as it stands now.

    Attributes:
        id: Stripe's.
        affiliate: whom it was made for; None where it names nobody.
        email: of its holder.
        details_submitted: whether its holder has told everything once.
        can_receive: whether we may transfer to it.
        payouts_enabled: whether it is paid out to its bank.
        due: what Stripe asks its holder for, in Stripe's words.
        disabled_reason: why it is held back, in Stripe's words.
    """

    id: str
    affiliate: str | None
    email: str | None
    details_submitted: bool
    can_receive: bool
    payouts_enabled: bool
    due: tuple[str, ...]
    disabled_reason: str | None


@dataclass(frozen=True)
class StripeLink:
    """A page at Stripe for one person; it opens once, and for a few minutes of real time."""

    url: str
    expires_at: datetime


@dataclass(frozen=True)
class StripeTransfer:
    """Money that was sent to a connected account, and how much of it was taken back."""

    id: str
    account_id: str
    amount: Money
    reversed: Money
    group: str | None
    created: datetime | None
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class StripeReversal:
    """Money that was taken back from a connected account."""

    id: str
    transfer_id: str
    amount: Money
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class StripeBalance:
    """What can be used now, and what is still to come; one amount per currency."""

    available: tuple[Money, ...]
    pending: tuple[Money, ...]


class StripeConnect:
    """Stripe Connect, by way of Stripe's SDK. Safe to share between threads."""

    def __init__(self, session: StripeSession) -> None:
        self._session = session
        self._stripe = session.provider

    def create_account(self, affiliate_id: str, email: str, country: str, idempotency_key: str) -> StripeAccount:
        """Make an account that can receive transfers; its holder tells Stripe the rest on a page of Stripe's.

        Args:
            affiliate_id: ours; it is noted on the account, and found again by `find_account`.
            email: of its holder.
            country: of its holder, as ISO 3166 in two letters; it can't be changed later.
            idempotency_key: names this effect; Stripe repeats its first answer for at least 24 hours.

        Raises:
            OutcomeUnknown: it may have been made or not; asking again with the same key is safe for a day.
        """
        with self._stripe.changes("create_account"):
            made = self._session.client.v1.accounts.create(
                params={
                    "type": "express",
                    "country": country,
                    "email": email,
                    "capabilities": {"transfers": {"requested": True}},
                    "metadata": {AFFILIATE_KEY: affiliate_id},
                },
                options={"idempotency_key": idempotency_key},
            )
            return _account(made.to_dict())

    def account(self, account_id: str) -> StripeAccount:
        """Read a connected account.

        Raises:
            NotFound: there is none by that id.
            CredentialsRefused: it is no longer connected to us.
        """
        with self._stripe.reads("account"):
            return _account(self._session.client.v1.accounts.retrieve(account_id).to_dict())

    def find_account(self, affiliate_id: str, since: datetime) -> StripeAccount | None:
        """Look for the account that was made for somebody, where no answer ever came.

        Stripe's list of accounts has no filter for metadata: it is read page by page, back to a moment.

        Args:
            affiliate_id: as given to `create_account`.
            since: before it was asked for.

        Returns:
            The oldest such account; None: it was never made.
        """
        after: str | None = None
        found: StripeAccount | None = None
        while True:
            with self._stripe.reads("find_account"):
                page = self._session.client.v1.accounts.list(
                    params={
                        "created": {"gte": int(since.timestamp())},
                        "limit": PAGE,
                        **({"starting_after": after} if after else {}),
                    }
                ).to_dict()
                accounts = [_account(document) for document in documents.children(page, "data")]
            found = next((one for one in reversed(accounts) if one.affiliate == affiliate_id), found)
            if not accounts or not documents.flag(page, "has_more"):
                return found
            after = accounts[-1].id

    def onboarding_link(self, account_id: str, *, return_url: str, refresh_url: str) -> StripeLink:
        """A page on which an account's holder tells Stripe who they are; make it when they are about to open it.

        Args:
            account_id: Stripe's.
            return_url: where the page leads when it is done with; that doesn't say that everything was told.
            refresh_url: where it leads when it can't be opened any more: it should make another.

        Raises:
            NotFound: there is no such account.
        """
        # A link changes nothing at Stripe, and a lost one is replaced by the next: a doubt about it is no doubt.
        with self._stripe.reads("onboarding_link"):
            link = self._session.client.v1.account_links.create(
                params={
                    "account": account_id,
                    "return_url": return_url,
                    "refresh_url": refresh_url,
                    "type": "account_onboarding",
                }
            ).to_dict()
            expires_at = documents.moment(link, "expires_at")
            if expires_at is None:
                raise Unreadable("'expires_at' is missing")
            return StripeLink(documents.text(link, "url"), expires_at)

    def transfer(
        self,
        account_id: str,
        amount: Money,
        idempotency_key: str,
        *,
        group: str,
        metadata: Mapping[str, str] | None = None,
        charge_id: str | None = None,
    ) -> StripeTransfer:
        """Send money of ours to a connected account.

        Args:
            account_id: Stripe's.
            amount: what to send.
            idempotency_key: names this effect; Stripe repeats its first answer for at least 24 hours.
            group: our name for it, by which `transfers_in` finds it when the key is forgotten.
            metadata: noted on it.
            charge_id: take it out of this charge, whose money may still be pending; None: out of what is available.

        Raises:
            InsufficientFunds: our balance does not cover it.
            Conflict: the account may not receive transfers, or the key named another effect.
            OutcomeUnknown: it may have been sent or not; asking again with the same key is safe for a day.
        """
        params: TransferCreateParams = {
            "destination": account_id,
            "amount": amount.minor,
            "currency": amount.currency.lower(),
            "transfer_group": group,
            "metadata": dict(metadata or {}),
        }
        if charge_id is not None:
            params["source_transaction"] = charge_id
        with self._stripe.changes("transfer"):
            sent = self._session.client.v1.transfers.create(params=params, options={"idempotency_key": idempotency_key})
            return _transfer(sent.to_dict())

    def transfers_in(self, group: str) -> list[StripeTransfer]:
        """The transfers that were made under a name of ours, newest first, at most a hundred."""
        with self._stripe.reads("transfers_in"):
            found = self._session.client.v1.transfers.list(params={"transfer_group": group, "limit": PAGE})
            return [_transfer(document) for document in documents.children(found.to_dict(), "data")]

    def sent(self, transfer_id: str) -> StripeTransfer:
        """Read a transfer.

        Raises:
            NotFound: there is none by that id.
        """
        with self._stripe.reads("sent"):
            return _transfer(self._session.client.v1.transfers.retrieve(transfer_id).to_dict())

    def reverse(
        self, transfer_id: str, amount: Money, idempotency_key: str, *, metadata: Mapping[str, str] | None = None
    ) -> StripeReversal:
        """Take money of a transfer back from its account.

        Args:
            transfer_id: Stripe's.
            amount: at most what is left of the transfer; Stripe takes it in the transfer's currency.
            idempotency_key: names this effect.
            metadata: noted on it; `reversals_of` shows it.

        Raises:
            InsufficientFunds: the account's balance does not cover it: what is left is owed to us.
            NotFound: there is no such transfer.
            Permanent: as much is not left of it.
            OutcomeUnknown: it may have been taken or not; asking again with the same key is safe for a day.
        """
        with self._stripe.changes("reverse"):
            taken = self._session.client.v1.transfers.reversals.create(
                transfer_id,
                params={"amount": amount.minor, "metadata": dict(metadata or {})},
                options={"idempotency_key": idempotency_key},
            )
            return _reversal(taken.to_dict())

    def reversals_of(self, transfer_id: str) -> list[StripeReversal]:
        """What was taken back of a transfer, newest first, at most a hundred."""
        with self._stripe.reads("reversals_of"):
            found = self._session.client.v1.transfers.reversals.list(transfer_id, params={"limit": PAGE})
            return [_reversal(document) for document in documents.children(found.to_dict(), "data")]

    def balance(self, account_id: str | None = None) -> StripeBalance:
        """Read our own balance, or that of a connected account.

        Raises:
            CredentialsRefused: the account is not connected to us.
        """
        with self._stripe.reads("balance"):
            if account_id is None:
                found = self._session.client.v1.balance.retrieve()
            else:
                found = self._session.client.v1.balance.retrieve(options={"stripe_account": account_id})
            document = found.to_dict()
            return StripeBalance(_moneys(document, "available"), _moneys(document, "pending"))


def _account(document: Document) -> StripeAccount:
    requirements = documents.child(document, "requirements")
    due: object = requirements.get("currently_due")
    return StripeAccount(
        id=documents.text(document, "id"),
        affiliate=documents.texts(document, "metadata").get(AFFILIATE_KEY),
        email=documents.optional_text(document, "email"),
        details_submitted=documents.flag(document, "details_submitted"),
        can_receive=documents.child(document, "capabilities").get("transfers") == "active",
        payouts_enabled=documents.flag(document, "payouts_enabled"),
        due=tuple(str(name) for name in due) if isinstance(due, Sequence) and not isinstance(due, str) else (),
        disabled_reason=documents.optional_text(requirements, "disabled_reason"),
    )


def _transfer(document: Document) -> StripeTransfer:
    return StripeTransfer(
        id=documents.text(document, "id"),
        account_id=payments.required_reference(document, "destination"),
        amount=payments.money(document, "amount"),
        reversed=payments.money(document, "amount_reversed"),
        group=documents.optional_text(document, "transfer_group"),
        created=documents.moment(document, "created"),
        metadata=documents.texts(document, "metadata"),
    )


def _reversal(document: Document) -> StripeReversal:
    return StripeReversal(
        id=documents.text(document, "id"),
        transfer_id=payments.required_reference(document, "transfer"),
        amount=payments.money(document, "amount"),
        metadata=documents.texts(document, "metadata"),
    )


def _moneys(document: Document, name: str) -> tuple[Money, ...]:
    return tuple(payments.money(one, "amount") for one in documents.children(document, name))
