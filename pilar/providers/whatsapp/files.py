"""Fetching a file from Meta. What belongs here: where its token may go, and how much is read.

The address comes from Meta's own API, and the studio's token goes along with the request: it goes to Meta's hosts
alone, whatever an answer says.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from pilar.errors import Permanent
from pilar.providers.documents import Unreadable
from pilar.providers.whatsapp.errors import refusal_of

_HOSTS = (".fbsbx.com", ".facebook.com", ".whatsapp.net", ".fbcdn.net")


class TooLarge(Permanent):
    """The file is larger than what is kept."""

    code = "file_too_large"

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes or more.")
        self.size = size


def may_have_token(url: str, api_base: str) -> bool:
    """Whether an address is Meta's, or lies where the API itself does. Pure."""
    wanted, ours = urlsplit(url), urlsplit(api_base)
    if (wanted.scheme, wanted.netloc) == (ours.scheme, ours.netloc):
        return True
    return wanted.scheme == "https" and wanted.port in (None, 443) and (wanted.hostname or "").endswith(_HOSTS)


def fetch(http: httpx.Client, url: str, token: str, largest: int) -> bytes:
    """What lies at an address that may have the token.

    Args:
        http: the client.
        url: the address.
        token: the studio's.
        largest: bytes that are read at most.

    Raises:
        TooLarge: there is more.
        Refusal: Meta won't give it.
        Unreadable: it is empty.
    """
    with http.stream("GET", url, headers={"Authorization": f"Bearer {token}"}) as answer:
        if answer.status_code >= 400:
            answer.read()
            raise refusal_of(answer)
        content = bytearray()
        for part in answer.iter_bytes():
            content += part
            if len(content) > largest:
                raise TooLarge(len(content))
    if not content:
        raise Unreadable("a file without content")
    return bytes(content)
