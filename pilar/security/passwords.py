"""Passwords. What belongs here: hashing, checking, and which are good enough; whose they are is the caller's."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pilar.errors import Invalid

SHORTEST = 12
LONGEST = 200
"""Longer ones would only let a stranger keep the processor busy."""


def hash_password(password: str) -> str:
    """The argon2id hash to be stored; raise `Invalid` for a password that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"A password has {SHORTEST} to {LONGEST} characters.")
    return _hasher().hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Whether a password is the stored one.

    It takes as long for somebody who has no password (`stored` is None), so that the time does not tell who has one.
    """
    if len(password) > LONGEST:
        return False
    try:
        right = _hasher().verify(stored or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return right and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher().check_needs_rehash(stored)


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobody() -> str:
    return _hasher().hash("nobody has this password")
