"""What Twilio's webhooks carry. What belongs here: reading a delivery's fields, whichever way Twilio wrote them.

Most products send forms; some send JSON, with the names in another spelling. What a field means is the rooms'.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from pilar.providers.documents import Document, parse

FORMAT = "format"
"""The header of a kept delivery that says what its body is; without it, it is a form."""
JSON = "json"
QUERY = "query"
"""The header that holds the query of the address it came to, where there was one."""


def fields_of(body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    """The fields of a kept delivery by the names that forms have; of a field that comes twice, the last.

    Args:
        body: as it came.
        headers: those that were kept with it.

    Raises:
        Unreadable: it is said to be JSON, and is none.
    """
    if headers.get(FORMAT) == JSON:
        return from_document(parse(body))
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def from_document(document: Document) -> dict[str, str]:
    """The texts of a JSON body by the names that forms have: `message_sid` and `messageSid` are `MessageSid`."""
    return {_as_in_forms(name): value for name, value in document.items() if isinstance(value, str)}


def _as_in_forms(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
