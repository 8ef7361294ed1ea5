"""Whether a webhook comes from Meta. What belongs here: the check of `X-Hub-Signature-256`, and the handshake.

The signature covers no time: a replayed delivery is caught by deduplication, not here.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from pilar.errors import BadSignature
from pilar.tokens import same


def verify(body: bytes, header: str, secrets: Sequence[str]) -> None:
    """Check that Meta signed this body.

    Args:
        body: the raw body, byte for byte.
        header: `X-Hub-Signature-256`.
        secrets: the app's secrets; any one of them will do, so that they can be rotated.

    Raises:
        BadSignature: whatever is wrong with it. Nothing else is raised, for any header and body.
    """
    given = header.encode(errors="replace")
    digests = (hmac.digest(secret.encode(), body, "sha256") for secret in secrets)
    expected = [f"sha256={digest.hex()}".encode() for digest in digests]
    # Every secret is compared, so that the time taken tells nothing.
    matches = [same(given, one) for one in expected]
    if not any(matches):
        raise BadSignature


def handshake(params: Mapping[str, str], verify_token: str) -> str:
    """Answer Meta's verification of the webhook.

    Args:
        params: the query of its `GET`.
        verify_token: what was entered at Meta when the webhook was set up.

    Returns:
        The challenge, to be sent back as plain text.

    Raises:
        BadSignature: it is no handshake, or its token is not ours.
    """
    given = params.get("hub.verify_token", "").encode(errors="replace")
    # An empty token would be matched by anybody who leaves it out.
    known = bool(verify_token) and same(given, verify_token)
    challenge = params.get("hub.challenge", "")
    if params.get("hub.mode") != "subscribe" or not known or not challenge:
        raise BadSignature("This is not Meta's handshake with our token.")
    return challenge
