"""What PILAR asks of Twilio. What belongs here: subaccounts, their keys and phone numbers, webhooks, and an SMS.

What does not: which number to try next (`provisioning` climbs the ladder of area codes), and webhooks coming in
(`signature.py`). Twilio has no idempotency key: the friendly name is how a purchase of ours is found again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from twilio.rest import Client

from pilar.backplane.breakers import Breakers
from pilar.errors import NotConfigured, NotFound
from pilar.providers.calls import http_client, required
from pilar.providers.documents import Unreadable
from pilar.providers.twilio.credentials import TwilioCredentials, TwilioKey
from pilar.providers.twilio.errors import TWILIO
from pilar.providers.twilio.transport import TwilioTransport
from pilar.settings import Settings, reveal

CLOSED = "closed"
PAGE = 50
NEAR_MILES = 100
"""How far Twilio looks from a number."""


@dataclass(frozen=True)
class TwilioAccount:
    """A subaccount; `status` is active, suspended or closed."""

    sid: str
    auth_token: str = field(repr=False)
    friendly_name: str
    status: str

    @property
    def credentials(self) -> TwilioCredentials:
        """The account by its token, which speaks for it before it has a key."""
        return TwilioCredentials(self.sid, self.auth_token)


@dataclass(frozen=True)
class TwilioNumber:
    """A number that an account owns, in E.164."""

    sid: str
    phone_number: str
    friendly_name: str


@dataclass(frozen=True)
class NumberSettings:
    """How a number that an account owns stands: `status` is Twilio's (in-use as a rule), and where its webhooks go."""

    phone_number: str
    status: str
    sms_url: str
    status_url: str


class TwilioGateway:
    """Twilio, by way of its own SDK. Safe to share between threads."""

    def __init__(
        self, settings: Settings, breakers: Breakers | None = None, *, parent: TwilioCredentials | None = None
    ) -> None:
        """Take what calls are made with.

        Args:
            settings: keys and addresses.
            breakers: those of this process; without them each call is made, whatever came before.
            parent: which of our accounts subaccounts are made under; None: the first.
        """
        self._settings = settings
        self._twilio = TWILIO.guarded(breakers)
        self._breakers = breakers
        self._parent = parent

    @cached_property
    def _transport(self) -> TwilioTransport:
        http = http_client(self._settings.provider_timeout_seconds)
        return TwilioTransport(http, self._settings.twilio_api_base)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def parents(self) -> tuple[TwilioCredentials, ...]:
        """Our own accounts, the first configured one first.

        Raises:
            NotConfigured: there is none, or one is not of the form `SID:token`.
        """
        first = TwilioCredentials(
            required(self._settings, "twilio_account_sid"), required(self._settings, "twilio_auth_token")
        )
        others = []
        for text in reveal(self._settings.twilio_parents):
            sid, separator, token = text.partition(":")
            if not (sid.startswith("AC") and separator and token):
                raise NotConfigured("PILAR_TWILIO_PARENTS lists parent accounts as SID:token, separated by commas.")
            others.append(TwilioCredentials(sid, token))
        return (first, *(one for one in others if one.sid != first.sid))

    def under(self, parent_sid: str) -> TwilioGateway:
        """The same gateway with another of our accounts as parent; it shares the connections.

        Raises:
            NotConfigured: no parent with that SID is configured any more.
        """
        found = [one for one in self.parents() if one.sid == parent_sid]
        if not found:
            raise NotConfigured(
                f"Parent account {parent_sid} at Twilio is not configured: add it as SID:token to PILAR_TWILIO_PARENTS."
            )
        other = TwilioGateway(self._settings, self._breakers, parent=found[0])
        vars(other)["_transport"] = self._transport
        return other

    def create_subaccount(self, friendly_name: str) -> TwilioAccount:
        """Open a subaccount under the parent.

        Raises:
            OutcomeUnknown: it may exist now: `find_subaccount` tells.
        """
        with self._twilio.changes("create_subaccount"):
            return _account(self._as_parent().api.v2010.accounts.create(friendly_name=friendly_name))

    def find_subaccount(self, friendly_name: str) -> TwilioAccount | None:
        """The oldest subaccount by that name that is not closed, or None."""
        with self._twilio.reads("find_subaccount"):
            found = self._as_parent().api.v2010.accounts.list(friendly_name=friendly_name, page_size=PAGE)
            open_ones = [one for one in found if one.friendly_name == friendly_name and one.status != CLOSED]
            return _account(min(open_ones, key=_age)) if open_ones else None

    def create_key(self, owner: TwilioCredentials, friendly_name: str) -> TwilioKey:
        """Make an API key of an account.

        Args:
            owner: the account by its token: a key may not make keys.
            friendly_name: names the intent, so that a key whose secret got lost can be found.

        Raises:
            OutcomeUnknown: there may be a key now, whose secret nobody knows: `keys_of` tells.
        """
        with self._twilio.changes("create_key"):
            made = self._as(owner).new_keys.create(friendly_name=friendly_name)
            return TwilioKey(_text(made.sid), _text(made.secret))

    def keys_of(self, owner: TwilioCredentials) -> dict[str, str]:
        """The names of an account's keys, by their SIDs; `owner` is the account by its token."""
        with self._twilio.reads("keys_of"):
            return {_text(one.sid): one.friendly_name or "" for one in self._as(owner).keys.list(page_size=PAGE)}

    def has_key(self, owner: TwilioCredentials, key_sid: str) -> bool:
        """Whether an account has a key (still); `owner` is the account by its token."""
        try:
            with self._twilio.reads("has_key"):
                _text(self._as(owner).keys(key_sid).fetch().sid)
        except NotFound:
            return False
        return True

    def delete_key(self, owner: TwilioCredentials, key_sid: str) -> None:
        """Revoke a key for good; one that is gone already is revoked too. `owner` is the account by its token.

        Raises:
            OutcomeUnknown: it may be gone now: `has_key` tells.
        """
        try:
            with self._twilio.changes("delete_key"):
                self._as(owner).keys(key_sid).delete()
        except NotFound:
            return

    def available_numbers(
        self,
        account: TwilioCredentials,
        country: str,
        area_code: str | None = None,
        limit: int = 10,
        *,
        near: str | None = None,
        region: str | None = None,
        begins: str | None = None,
    ) -> list[str]:
        """Numbers for sale that can send and receive SMS.

        Args:
            account: who would buy.
            country: ISO 3166 code of two letters.
            area_code: three digits, in the United States and Canada only.
            limit: at most so many.
            near: within a hundred miles of this number, in the same two countries.
            region: a state or province, in the same two countries.
            begins: what the number begins with, in E.164.

        Returns:
            Numbers in E.164. Where nothing narrows the search, mobile ones where the country sells no local ones with
            SMS: most of Europe. Empty where there is none.
        """
        wanted: dict[str, Any] = {"sms_enabled": True, "limit": limit}
        narrowed: dict[str, Any] = {
            "area_code": area_code,
            "near_number": near,
            "distance": NEAR_MILES if near else None,
            "in_region": region,
            "contains": begins,
        }
        narrowed = {name: value for name, value in narrowed.items() if value is not None}
        if narrowed:
            found = self._for_sale(account, country, "local", wanted | narrowed)
            return [number for number in found if number.startswith(begins or "+")]
        return self._for_sale(account, country, "local", wanted) or self._for_sale(account, country, "mobile", wanted)

    def buy_number(
        self, account: TwilioCredentials, phone_number: str, friendly_name: str, sms_url: str, status_url: str
    ) -> TwilioNumber:
        """Buy a number, with its webhooks set.

        Args:
            account: who buys.
            phone_number: E.164, one of `available_numbers`.
            friendly_name: names the intent, so that the number can be found again.
            sms_url: where incoming messages are posted.
            status_url: where changes of state are posted.

        Raises:
            Conflict: somebody else bought it meanwhile.
            OutcomeUnknown: it may be ours now: `find_number` tells.
        """
        with self._twilio.changes("buy_number"):
            bought = self._as(account).incoming_phone_numbers.create(
                phone_number=phone_number, friendly_name=friendly_name, **_webhooks(sms_url, status_url)
            )
            return _number(bought)

    def find_number(self, account: TwilioCredentials, friendly_name: str) -> TwilioNumber | None:
        """The oldest number that the account owns by that name, or None."""
        with self._twilio.reads("find_number"):
            found = self._as(account).incoming_phone_numbers.list(friendly_name=friendly_name, page_size=PAGE)
            ours = [one for one in found if one.friendly_name == friendly_name]
            return _number(min(ours, key=_age)) if ours else None

    def set_webhooks(self, account: TwilioCredentials, number_sid: str, sms_url: str, status_url: str) -> None:
        """Point a number's webhooks to us; doing it twice is doing it once."""
        with self._twilio.changes("set_webhooks"):
            _number(self._as(account).incoming_phone_numbers(number_sid).update(**_webhooks(sms_url, status_url)))

    def release_number(self, account: TwilioCredentials, number_sid: str) -> None:
        """Give a number back, for good; one that is gone already is given back too.

        Raises:
            OutcomeUnknown: it may be given back now: `owns_number` tells.
        """
        try:
            with self._twilio.changes("release_number"):
                self._as(account).incoming_phone_numbers(number_sid).delete()
        except NotFound:
            return

    def number_settings(self, account: TwilioCredentials, number_sid: str) -> NumberSettings:
        """How a number stands, and where its webhooks go.

        Raises:
            NotFound: the account does not own it any more.
            CredentialsRefused: the account, or the one above it, is suspended or closed.
        """
        with self._twilio.reads("number_settings"):
            found = self._as(account).incoming_phone_numbers(number_sid).fetch()
            return NumberSettings(
                _text(found.phone_number), found.status or "", found.sms_url or "", found.status_callback or ""
            )

    def account_status(self, sid: str) -> str:
        """How a subaccount stands: active, suspended or closed.

        Raises:
            CredentialsRefused: the parent itself is suspended, or its token is wrong.
        """
        with self._twilio.reads("account_status"):
            return _account(self._as_parent().api.v2010.accounts(sid).fetch()).status

    def owns_number(self, account: TwilioCredentials, number_sid: str) -> bool:
        """Whether the account owns a number (still)."""
        try:
            with self._twilio.reads("owns_number"):
                _number(self._as(account).incoming_phone_numbers(number_sid).fetch())
        except NotFound:
            return False
        return True

    def close_subaccount(self, sid: str) -> None:
        """Close a subaccount for good: its numbers go with it. Closing it twice is closing it once.

        Raises:
            OutcomeUnknown: it may be closed now: `is_closed` tells.
        """
        with self._twilio.changes("close_subaccount"):
            if _account(self._as_parent().api.v2010.accounts(sid).update(status=CLOSED)).status != CLOSED:
                raise Unreadable("the account came back open")

    def is_closed(self, sid: str) -> bool:
        """Whether a subaccount is closed."""
        return self.account_status(sid) == CLOSED

    def send_sms(
        self, account: TwilioCredentials, sender: str, to: str, body: str, *, told_at: str | None = None
    ) -> str:
        """Send one SMS; return Twilio's id of it.

        Args:
            account: who sends.
            sender: E.164, a number of the account's.
            to: E.164.
            body: at most 1,600 characters.
            told_at: where its statuses are posted; None: nowhere.

        Raises:
            Permanent: they said STOP, or the number can't be reached by SMS.
            OutcomeUnknown: it may have been sent.
        """
        with self._twilio.changes("send_sms"):
            wanted = {"from_": sender, "to": to, "body": body} | ({"status_callback": told_at} if told_at else {})
            return _text(self._as(account).messages.create(**wanted).sid)

    def _for_sale(self, account: TwilioCredentials, country: str, kind: str, wanted: dict[str, Any]) -> list[str]:
        try:
            with self._twilio.reads("available_numbers"):
                kinds = self._as(account).available_phone_numbers(country)
                return [_text(one.phone_number) for one in getattr(kinds, kind).list(**wanted)]
        except NotFound:
            # Twilio's way to say that the country has no numbers of this kind.
            return []

    def _as_parent(self) -> Client:
        return self._as(self._parent or self.parents()[0])

    def _as(self, account: TwilioCredentials) -> Client:
        return Client(account.user_name, account.secret, account.sid, http_client=self._transport)


def _webhooks(sms_url: str, status_url: str) -> dict[str, str]:
    return {
        "sms_url": sms_url,
        "sms_method": "POST",
        "status_callback": status_url,
        "status_callback_method": "POST",
    }


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise Unreadable("a text is missing")
    return value


def _account(account: Any) -> TwilioAccount:
    return TwilioAccount(
        sid=_text(account.sid),
        auth_token=_text(account.auth_token),
        friendly_name=_text(account.friendly_name),
        status=_text(account.status),
    )


def _number(number: Any) -> TwilioNumber:
    return TwilioNumber(_text(number.sid), _text(number.phone_number), _text(number.friendly_name))


def _age(record: Any) -> tuple[datetime, str]:
    created = record.date_created
    known = created if isinstance(created, datetime) else datetime.max.replace(tzinfo=UTC)
    return known, str(record.sid)
