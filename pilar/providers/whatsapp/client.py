"""What PILAR asks of Meta's Graph API. What belongs here: Embedded Signup, numbers and templates.

What does not: sending (`messages.py`), webhooks coming in (`signature.py`, `deliveries.py`), in which order a studio is
connected (`provisioning`), and whether a message may be sent at all (`messaging`).
Every call names the token it is made with: the studio's own, except where the app speaks for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode

import httpx

from pilar.backplane.breakers import Breakers
from pilar.errors import CredentialsRefused
from pilar.providers import documents
from pilar.providers.calls import http_client, required
from pilar.providers.documents import Document, Unreadable
from pilar.providers.whatsapp import files, template_shapes
from pilar.providers.whatsapp.errors import META, refusal_of
from pilar.providers.whatsapp.messages import Messages
from pilar.providers.whatsapp.numbers import as_e164, split
from pilar.providers.whatsapp.template_shapes import WhatsAppTemplate
from pilar.settings import Settings

VERSION = "v23.0"
ACCOUNT_SCOPE = "whatsapp_business_management"
NUMBER_FIELDS = "id,display_phone_number,verified_name,code_verification_status,status"

Form = TypeVar("Form")


@dataclass(frozen=True)
class WhatsAppNumber:
    """A number of a WhatsApp Business account, in E.164; `status` is Meta's (PENDING, CONNECTED, …)."""

    id: str
    phone_number: str
    verified_name: str | None
    code_verified: bool
    status: str | None


@dataclass(frozen=True)
class Subscription:
    """Webhooks that are sent to our app; `override` is the address they go to in place of the app's own."""

    override: str | None


@dataclass(frozen=True)
class SubmittedTemplate:
    """A template that Meta has taken in for review; `status` is Meta's (PENDING as a rule)."""

    id: str
    status: str


class GraphClient(Messages):
    """The Graph API, by way of a thin client of our own. Safe to share between threads."""

    def __init__(self, settings: Settings, breakers: Breakers | None = None) -> None:
        """Take the settings, and the breakers of this process; without them each call is made, whatever came before."""
        self._settings = settings
        self._meta = META.guarded(breakers)

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
        with self._meta.changes("exchange_code"):
            return documents.text(self._call("GET", ("oauth", "access_token"), query=query), "access_token")

    def granted_accounts(self, token: str) -> list[str]:
        """Ids of the WhatsApp Business accounts that a token may manage.

        Raises:
            CredentialsRefused: the token is no longer valid.
        """
        app_id = required(self._settings, "meta_app_id")
        app_token = f"{app_id}|{required(self._settings, 'meta_app_secret')}"
        with self._meta.reads("granted_accounts"):
            answer = self._call("GET", ("debug_token",), app_token, query={"input_token": token})
            data = documents.child(answer, "data")
            if data.get("is_valid") is False:
                raise CredentialsRefused("The studio's token for Meta is no longer valid.", provider=META.name)
            scopes = documents.optional_children(data, "granular_scopes")
            granted = [scope.get("target_ids") or [] for scope in scopes if scope.get("scope") == ACCOUNT_SCOPE]
            return list(dict.fromkeys(str(account) for accounts in granted for account in accounts))

    def phone_numbers(self, token: str, waba_id: str) -> list[WhatsAppNumber]:
        """All numbers of an account."""
        with self._meta.reads("phone_numbers"):
            return [_number(one) for one in self._all(token, (waba_id, "phone_numbers"), NUMBER_FIELDS)]

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
        with self._meta.changes("add_phone_number"):
            return documents.text(self._call("POST", (waba_id, "phone_numbers"), token, body=body), "id")

    def phone_number(self, token: str, phone_number_id: str) -> WhatsAppNumber:
        """One number as it stands now."""
        with self._meta.reads("phone_number"):
            return _number(self._call("GET", (phone_number_id,), token, query={"fields": NUMBER_FIELDS}))

    def request_code(
        self, token: str, phone_number_id: str, language: str, *, method: Literal["sms", "voice"] = "sms"
    ) -> None:
        """Have Meta send its code to the number; ten times within 72 hours at most.

        Args:
            token: the studio's.
            phone_number_id: Meta's.
            language: of the message, such as `en_US`.
            method: by SMS, or by a call that reads it out.
        """
        self._do("request_code", token, phone_number_id, {"code_method": method.upper(), "language": language})

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

    def deregister(self, token: str, phone_number_id: str) -> None:
        """Take the number off the Cloud API: it neither sends nor receives any more."""
        self._do("deregister", token, phone_number_id, {})

    def subscribe_app(self, token: str, waba_id: str) -> None:
        """Have the account's webhooks sent to our app, at the app's own address; twice is once."""
        self._do("subscribed_apps", token, waba_id, {})

    def subscribed(self, token: str, waba_id: str) -> bool:
        """Whether the account's webhooks are sent to our app."""
        return self.subscription(token, waba_id) is not None

    def subscription(self, token: str, waba_id: str) -> Subscription | None:
        """How the account's webhooks are sent to our app; None where they are not."""
        app_id = required(self._settings, "meta_app_id")
        with self._meta.reads("subscribed"):
            apps = documents.children(self._call("GET", (waba_id, "subscribed_apps"), token), "data")
            ours = [app for app in apps if documents.child(app, "whatsapp_business_api_data").get("id") == app_id]
            return Subscription(documents.optional_text(ours[0], "override_callback_uri")) if ours else None

    def media(self, token: str, media_id: str, largest: int) -> bytes:
        """A picture, sound or file that came with a message, as long as Meta keeps it.

        Args:
            token: the studio's.
            media_id: as the webhook names it.
            largest: bytes that are read at most.

        Raises:
            TooLarge: there is more.
            NotFound: Meta keeps it no longer.
        """
        with self._meta.reads("media"):
            shown = self._call("GET", (media_id,), token)
            size, url = documents.optional_text(shown, "file_size"), documents.text(shown, "url")
            size = size or str(shown.get("file_size") or "")
            if size.isdigit() and int(size) > largest:
                raise files.TooLarge(int(size))
            if not files.may_have_token(url, self._settings.meta_api_base):
                raise Unreadable("a file at an address that is not Meta's")
            return files.fetch(self._http, url, token, largest)

    def submit_template(
        self,
        token: str,
        waba_id: str,
        *,
        name: str,
        language: str,
        category: str,
        body: str,
        examples: Sequence[str],
        buttons: Sequence[str] = (),
    ) -> SubmittedTemplate:
        """Hand a template in for Meta's review; the verdict comes as a webhook.

        Args:
            token: the studio's.
            waba_id: the account.
            name: lower-case letters, digits and underscores.
            language: such as `nl`.
            category: marketing, utility or authentication, in any case of letters.
            body: the text, with {{1}}, {{2}} and so on where something is filled in.
            examples: a value for each of them.
            buttons: the words of its quick replies, at most 25 characters each.

        Raises:
            Invalid: Meta won't have it, perhaps because the account has this name in this language already.
            OutcomeUnknown: it may be there now: `templates` tells.
        """
        components = template_shapes.components(body, examples, buttons)
        wanted = {"name": name, "language": language, "category": category.upper(), "components": components}
        with self._meta.changes("submit_template"):
            answer = self._call("POST", (waba_id, "message_templates"), token, body=wanted)
            return SubmittedTemplate(documents.text(answer, "id"), documents.text(answer, "status"))

    def edit_template(
        self, token: str, template_id: str, *, body: str, examples: Sequence[str], buttons: Sequence[str] = ()
    ) -> None:
        """Give a template that was rejected or paused another text, which is reviewed anew.

        Args:
            token: the studio's.
            template_id: Meta's.
            body: as with `submit_template`.
            examples: as with `submit_template`.
            buttons: as with `submit_template`; those that are left out are gone.

        Raises:
            Invalid: Meta won't have the text.
            OutcomeUnknown: it may be under review now: `templates` tells.
        """
        with self._meta.changes("edit_template"):
            wanted = {"components": template_shapes.components(body, examples, buttons)}
            answer = self._call("POST", (template_id,), token, body=wanted)
            if answer.get("success") is not True:
                raise Unreadable("neither success nor an error")

    def templates(self, token: str, waba_id: str) -> list[WhatsAppTemplate]:
        """All templates of an account, in every state."""
        with self._meta.reads("templates"):
            return [
                template_shapes.read(one)
                for one in self._all(token, (waba_id, "message_templates"), template_shapes.FIELDS)
            ]

    def node(self, operation: str, token: str, node_id: str, fields: str, form: Callable[[Document], Form]) -> Form:
        """Some fields of anything that Meta has an id for, in the form that the reader makes of them."""
        with self._meta.reads(operation):
            return form(self._call("GET", (node_id,), token, query={"fields": fields}))

    def _all(self, token: str, path: tuple[str, ...], fields: str) -> Iterator[Document]:
        """Every item of a list, page by page."""
        query = {"fields": fields, "limit": "100"}
        while True:
            page = self._call("GET", path, token, query=query)
            yield from documents.children(page, "data")
            if "next" not in documents.child(page, "paging"):
                return
            after = documents.text(documents.child(page, "paging", "cursors"), "after")
            if after == query.get("after"):
                raise Unreadable("the same page twice")
            query["after"] = after

    def _do(self, action: str, token: str, subject_id: str, body: Mapping[str, str]) -> None:
        with self._meta.changes(action):
            if self._call("POST", (subject_id, action), token, body=body).get("success") is not True:
                raise Unreadable("neither success nor an error")

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        token: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
    ) -> Document:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        # Ids can come from a studio's browser: one that holds a slash must not lead to another resource.
        address = "/".join([self._settings.meta_api_base, VERSION, *(quote(part, safe="") for part in path)])
        answer = self._http.request(method, address, params=query, json=body, data=form, files=files, headers=headers)
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
