"""Whether a webhook comes from Twilio. What belongs here: the check of `X-Twilio-Signature`.

The canonical form and the digest are the SDK's; the comparison and the reading of forms are ours, because the SDK
compares character by character and takes a form for a plain dictionary.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import SplitResult, parse_qs, urlsplit

from twilio.request_validator import RequestValidator

from pilar.errors import BadSignature
from pilar.tokens import same

Form = Mapping[str, str] | Iterable[tuple[str, str]]


def verify(url: str, params: Form, header: str, tokens: Iterable[str]) -> None:
    """Check that Twilio signed this form.

    Args:
        url: the public address exactly as it was given to Twilio, query included.
        params: every field of the form; unknown ones count too, and a field may come twice.
        header: `X-Twilio-Signature`.
        tokens: auth tokens of the account that the webhook is about; any one of them will do, so that they can be
            rotated.

    Raises:
        BadSignature: whatever is wrong with it. Nothing else is raised, for any header and form.
    """
    form = _Form(params)
    given = header.encode(errors="replace")
    try:
        # Twilio signs the address with or without its port, depending on the product.
        addresses = _addresses(url)
        validators = [RequestValidator(token) for token in tokens if token]
        expected = [one.compute_signature(address, form).encode() for one in validators for address in addresses]
    except ValueError as error:
        raise BadSignature("The address or the form can't be read.") from error
    # Every pair is compared, so that the time taken tells nothing.
    matches = [same(given, one) for one in expected]
    if not any(matches):
        raise BadSignature


def verify_json(url: str, body: bytes, header: str, tokens: Iterable[str]) -> None:
    """Check that Twilio signed this JSON body, whose digest is the query's `bodySHA256`.

    Args:
        url: the public address with the query that the request came with.
        body: the raw body, byte for byte.
        header: `X-Twilio-Signature`.
        tokens: auth tokens of the account that the webhook is about; any one of them will do, so that they can be
            rotated.

    Raises:
        BadSignature: whatever is wrong with it.
    """
    verify(url, {}, header, tokens)
    digests = parse_qs(urlsplit(url).query).get("bodySHA256", [""])
    if not same(hashlib.sha256(body).hexdigest().encode(), digests[0].encode(errors="replace")):
        raise BadSignature


class _Form:
    """A form in which a field may come twice, as the SDK's canonical form asks for it."""

    def __init__(self, params: Form) -> None:
        pairs = params.items() if isinstance(params, Mapping) else params
        self._values: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in pairs:
            self._values[name].append(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getall(self, name: str) -> list[str]:
        return self._values[name]


def _addresses(url: str) -> list[str]:
    parts = urlsplit(url)
    if parts.port:
        return [url, _with_authority(parts, parts.netloc.rpartition(":")[0])]
    return [url, _with_authority(parts, f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}")]


def _with_authority(parts: SplitResult, authority: str) -> str:
    return parts._replace(netloc=authority).geturl()
