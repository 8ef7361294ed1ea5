"""Whether a webhook comes from Stripe. What belongs here: the check of `Stripe-Signature`.

The SDK's own check reads the machine's clock, accepts any moment in the future and raises what it likes on malformed
input; tests hold this one against it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from pilar.errors import BadSignature
from pilar.tokens import same

TOLERANCE = timedelta(minutes=5)


def verify(body: bytes, header: str, secrets: Sequence[str], now: datetime, tolerance: timedelta = TOLERANCE) -> None:
    """Check that Stripe signed this body a short while ago.

    Args:
        body: the raw body, byte for byte.
        header: `Stripe-Signature`.
        secrets: the endpoint's signing secrets; any one of them will do, so that they can be rotated.
        now: real time, aware.
        tolerance: how far the signature's own time may be from `now`, either way.

    Raises:
        BadSignature: whatever is wrong with it. Nothing else is raised, for any header and body.
    """
    timestamp, signatures = _parts(header)
    if abs(now.timestamp() - int(timestamp)) > tolerance.total_seconds():
        raise BadSignature("The signature's time is too far from ours.")
    signed = timestamp.encode() + b"." + body
    expected = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode() for secret in secrets]
    # Every pair is compared, so that the time taken tells nothing.
    matches = [same(candidate, one) for candidate in signatures for one in expected]
    if not any(matches):
        raise BadSignature


def _parts(header: str) -> tuple[str, list[bytes]]:
    pairs = [part.strip().partition("=") for part in header.split(",")]
    timestamp = next((value for name, _, value in pairs if name == "t"), "")
    # Fifteen digits reach past the year 30 million: longer ones are somebody's attempt at a number too long to read.
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15):
        raise BadSignature("The signature carries no time.")
    return timestamp, [value.encode(errors="replace") for name, _, value in pairs if name == "v1"]
