"""How the Stripe SDK reaches the network. What belongs here: the SDK's client interface over our own HTTP client.

The SDK's built-in clients wrap every failure in one class, which hides whether the request had been sent, and lose
`Retry-After` where the body is not JSON. Here the HTTP client's own errors and refusals pass through, for the call
policy to judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import stripe

from pilar.providers.stripe.errors import refusal_of


class StripeTransport(stripe.HTTPClient):
    """Sends the SDK's requests, once each."""

    name = "httpx"

    def __init__(self, http: httpx.Client) -> None:
        super().__init__()
        self._http = http

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        """One request; `post_data` is form-encoded by the SDK already.

        Raises:
            Refusal: Stripe answered with an error.
        """
        answer = self._http.request(method, url, headers=headers, content=post_data)
        if answer.status_code >= 400:
            raise refusal_of(answer)
        return answer.text, answer.status_code, answer.headers

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
