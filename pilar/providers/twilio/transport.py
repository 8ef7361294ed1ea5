"""How the Twilio SDK reaches the network. What belongs here: the SDK's client interface over our own HTTP client.

The SDK chooses one of many hosts by product; where another base is configured, the host is replaced by it and the
path kept. Errors pass through as what they are, for the call policy to judge.
"""

from __future__ import annotations

import logging
from typing import Any

import httpx
from twilio.http import HttpClient
from twilio.http.response import Response

from pilar.providers.twilio.errors import refusal_of

TWILIO_DOMAIN = ".twilio.com"


class TwilioTransport(HttpClient):  # type: ignore[misc] # the SDK carries no types
    """Sends the SDK's requests, once each."""

    def __init__(self, http: httpx.Client, base: str | None) -> None:
        super().__init__(logging.getLogger("twilio.http_client"), is_async=False)
        self._http = http
        self._base = base.rstrip("/") if base else None

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """One request, form-encoded. The SDK's wish for a time-out or redirects is not ours.

        Raises:
            Refusal: Twilio answered with an error.
        """
        del timeout, allow_redirects
        answer = self._http.request(
            method, self._address(uri), params=params or None, data=data or None, headers=headers, auth=auth
        )
        if answer.status_code >= 400:
            raise refusal_of(answer)
        return Response(answer.status_code, answer.text, answer.headers)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _address(self, uri: str) -> str:
        url = httpx.URL(uri)
        if self._base is None or not url.host.endswith(TWILIO_DOMAIN):
            return uri
        return self._base + url.raw_path.decode("ascii")
