"""What PILAR asks of Meta's Graph API. What belongs here: Embedded Signup, and a number from added to subscribed.

What does not: webhooks coming in (`signature.py`), and in which order a studio is connected (`provisioning`).
Every call names the token it is made with: the studio's own, except where the app speaks for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, urlencode

import httpx

from pilar.errors import CredentialsRefused
from pilar.providers import documents
from pilar.providers.calls import http_client, required
from pilar.providers.documents import Document, Unreadable
from pilar.providers.whatsapp.errors import META, refusal_of
from pilar.providers.whatsapp.numbers import as_e164, split
from pilar.settings import Settings

VERSION = "v23.0"
ACCOUNT_SCOPE = "whatsapp_business_management"
NUMBER_FIELDS = "id,display_phone_number,verified_name,code_verification_status,status"


@dataclass(frozen=True)
class WhatsAppNumber:
    """A number of a WhatsApp Business account, in E.164; `status` is Meta's (PENDING, CONNECTED, …)."""

    id: str
    phone_number: str
    verified_name: str | None
    code_verified: bool
    status: str | None


class GraphClient:
    """The Graph API, by way of a thin client of our own. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _http(self) -> httpx.Client:
        return http_client(self._settings.provider_timeout_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def signup_url(self, state: str, redirect_uri: str) -> str:
        """Where a studio's owner goes to accept Meta's terms and to grant us the account.

        Args:
            state: comes back with the owner; it must be unguessable and theirs.
            redirect_uri: where they come back to, as registered with the app.
        """
        query = {
            "client_id": required(self._settings, "meta_app_id"),
            "config_id": required(self._settings, "meta_config_id"),
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{self._settings.meta_dialog_base}/{VERSION}/dialog/oauth?{urlencode(query)}"

    def exchange_code(self, code: str, redirect_uri: str) -> str:
        """The studio's token for the code that its owner came back with.

        Raises:
            OutcomeUnknown: the code may be used up; the owner may have to sign up again.
        """
        query = {
            "client_id": required(self._settings, "meta_app_id"),
            "client_secret": required(self._settings, "meta_app_secret"),
            "code": code,
            "redirect_uri": redirect_uri,
        }
        with META.changes("exchange_code"):
            return documents.text(self._call("GET", ("oauth", "access_token"), query=query), "access_token")

    def granted_accounts(self, token: str) -> list[str]:
        """Ids of the WhatsApp Business accounts that a token may manage.

        Raises:
            CredentialsRefused: the token is no longer valid.
        """
        app_id = required(self._settings, "meta_app_id")
        app_token = f"{app_id}|{required(self._settings, 'meta_app_secret')}"
        with META.reads("granted_accounts"):
            answer = self._call("GET", ("debug_token",), app_token, query={"input_token": token})
            data = documents.child(answer, "data")
            if data.get("is_valid") is False:
                raise CredentialsRefused("The studio's token for Meta is no longer valid.", provider=META.name)
            scopes = documents.optional_children(data, "granular_scopes")
            granted = [scope.get("target_ids") or [] for scope in scopes if scope.get("scope") == ACCOUNT_SCOPE]
            return list(dict.fromkeys(str(account) for accounts in granted for account in accounts))

    def phone_numbers(self, token: str, waba_id: str) -> list[WhatsAppNumber]:
        """All numbers of an account."""
        query = {"fields": NUMBER_FIELDS, "limit": "100"}
        found: list[WhatsAppNumber] = []
        with META.reads("phone_numbers"):
            while True:
                page = self._call("GET", (waba_id, "phone_numbers"), token, query=query)
                found += [_number(one) for one in documents.children(page, "data")]
                if "next" not in documents.child(page, "paging"):
                    return found
                after = documents.text(documents.child(page, "paging", "cursors"), "after")
                if after == query.get("after"):
                    raise Unreadable("the same page twice")
                query["after"] = after

    def add_phone_number(self, token: str, waba_id: str, phone_number: str, verified_name: str) -> str:
        """Add a number to an account, to be verified.

        Args:
            token: the studio's.
            waba_id: the account.
            phone_number: E.164.
            verified_name: what leads will see; Meta reviews it.

        Returns:
            The number's id at Meta.

        Raises:
            Invalid: it is no phone number, or Meta won't have it or its name.
            OutcomeUnknown: it may be there now: `phone_numbers` tells.
        """
        calling_code, national = split(phone_number)
        body = {"cc": calling_code, "phone_number": national, "verified_name": verified_name}
        with META.changes("add_phone_number"):
            return documents.text(self._call("POST", (waba_id, "phone_numbers"), token, body=body), "id")

    def phone_number(self, token: str, phone_number_id: str) -> WhatsAppNumber:
        """One number as it stands now."""
        with META.reads("phone_number"):
            return _number(self._call("GET", (phone_number_id,), token, query={"fields": NUMBER_FIELDS}))

    def request_code(self, token: str, phone_number_id: str, language: str) -> None:
        """Have Meta send its code to the number by SMS.

        Args:
            token: the studio's.
            phone_number_id: Meta's.
            language: of the message, such as `en_US`.
        """
        self._do("request_code", token, phone_number_id, {"code_method": "SMS", "language": language})

    def verify_code(self, token: str, phone_number_id: str, code: str) -> None:
        """Tell Meta the code that came."""
        self._do("verify_code", token, phone_number_id, {"code": code})

    def register(self, token: str, phone_number_id: str, pin: str) -> None:
        """Switch the number on for the Cloud API.

        Args:
            token: the studio's.
            phone_number_id: Meta's.
            pin: six digits; from now on the number's second factor.
        """
        self._do("register", token, phone_number_id, {"messaging_product": "whatsapp", "pin": pin})

    def subscribe_app(self, token: str, waba_id: str) -> None:
        """Have the account's webhooks sent to our app; doing it twice is doing it once."""
        self._do("subscribed_apps", token, waba_id, {})

    def subscribed(self, token: str, waba_id: str) -> bool:
        """Whether the account's webhooks are sent to our app."""
        app_id = required(self._settings, "meta_app_id")
        with META.reads("subscribed"):
            apps = documents.children(self._call("GET", (waba_id, "subscribed_apps"), token), "data")
            return any(documents.child(app, "whatsapp_business_api_data").get("id") == app_id for app in apps)

    def _do(self, action: str, token: str, subject_id: str, body: Mapping[str, str]) -> None:
        with META.changes(action):
            if self._call("POST", (subject_id, action), token, body=body).get("success") is not True:
                raise Unreadable("neither success nor an error")

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        token: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
    ) -> Document:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        # Ids can come from a studio's browser: one that holds a slash must not lead to another resource.
        address = "/".join([self._settings.meta_api_base, VERSION, *(quote(part, safe="") for part in path)])
        answer = self._http.request(method, address, params=query, json=body, headers=headers)
        if answer.status_code >= 400:
            raise refusal_of(answer)
        return documents.parse(answer.content)


def _number(document: Document) -> WhatsAppNumber:
    return WhatsAppNumber(
        id=documents.text(document, "id"),
        phone_number=as_e164(documents.text(document, "display_phone_number")),
        verified_name=documents.optional_text(document, "verified_name"),
        code_verified=document.get("code_verification_status") == "VERIFIED",
        status=documents.optional_text(document, "status"),
    )
