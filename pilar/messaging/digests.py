"""Digests that stand for persons, where nothing that tells who they are may be kept.

What belongs here: the key and the digests. What does not: what is kept under them (`people_store.py`).

The key is made once, and is the same for good: the digests of those who were erased could not be made anew. It is kept
encrypted as credentials are, so a change of PILAR_SECRET_KEYS (`pilar keys rotate`) encrypts it anew and leaves every
digest as it is.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from sqlalchemy import Connection

from pilar.crypto import SecretBox
from pilar.messaging import people_store as store

_BYTES = 32


class PersonDigests:
    """Makes digests of numbers, user ids and mail addresses."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box
        self._known: tuple[bytes, bytes] | None = None

    def of(self, connection: Connection, names: Iterable[str | None]) -> list[bytes]:
        """The digests of what a person is known by, each once; a number is the same with its plus and without.

        Args:
            connection: a transaction in the fleet's scope.
            names: numbers, ids at the provider and mail addresses; None is passed over.
        """
        key = self._key(connection)
        plain = sorted({name.removeprefix("+").lower() for name in names if name})
        return [hmac.new(key, name.encode(), hashlib.sha256).digest() for name in plain]

    def signature(self, connection: Connection, purpose: str, content: bytes) -> bytes:
        """What shows that we wrote something; it holds for good, whatever key encrypts.

        Args:
            connection: a transaction in the fleet's scope.
            purpose: what is signed: a signature for one thing is none for another.
            content: what was written.
        """
        return hmac.new(self._key(connection), f"{purpose}\n".encode() + content, hashlib.sha256).digest()

    def _key(self, connection: Connection) -> bytes:
        # Whoever comes second finds the first one's.
        sealed = store.find_person_key(connection) or store.ensure_person_key(
            connection, self._box.seal(secrets.token_hex(_BYTES))
        )
        if self._known is None or self._known[0] != sealed:
            self._known = (sealed, bytes.fromhex(self._box.open(sealed)))
        return self._known[1]
