"""Random tokens. What belongs here: making one and hashing it for storage; who may do what with it is `security`'s."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def new_token(prefix: str) -> str:
    """A token with 256 random bits; the prefix lets a person (and a secret scanner) tell what it is."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> bytes:
    """What is stored in place of the token. One round of SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def same(left: str | bytes, right: str | bytes) -> bool:
    """Compare two secrets in constant time, whatever their length or alphabet."""
    as_bytes = [value.encode() if isinstance(value, str) else value for value in (left, right)]
    return hmac.compare_digest(as_bytes[0], as_bytes[1])
