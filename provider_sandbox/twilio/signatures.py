"""How Twilio signs. What belongs here: the signature and the request of a webhook; pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

from provider_sandbox.delivery import Outgoing


def signature(url: str, parameters: Mapping[str, str], auth_token: str) -> str:
    """The `X-Twilio-Signature` of a request to exactly this address with these form fields."""
    text = url + "".join(name + parameters[name] for name in sorted(parameters))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def signed(url: str, method: str, parameters: Mapping[str, str], auth_token: str, name: str) -> Outgoing:
    """A webhook.

    Args:
        url: where it goes.
        method: GET, with the parameters in the query, or POST.
        parameters: what it tells.
        auth_token: of the account that it concerns.
        name: the same for each attempt.
    """
    if method == "GET":
        url += ("&" if "?" in url else "?") + urlencode(parameters)
        return Outgoing(url, b"", {"X-Twilio-Signature": signature(url, {}, auth_token)}, "GET")
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "I-Twilio-Idempotency-Token": name,
        "User-Agent": "TwilioProxy/1.1 (sandbox)",
        "X-Twilio-Signature": signature(url, parameters, auth_token),
    }
    return Outgoing(url, urlencode(parameters).encode(), headers)
