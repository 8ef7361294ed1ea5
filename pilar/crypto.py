"""Encryption of stored credentials. What belongs here: the box and its keys; what is put into it is the rooms'.

`PILAR_SECRET_KEYS` lists keys newest first: the newest encrypts, all of them decrypt, so that a key can be
rotated without a moment in which something can't be read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from pilar.errors import NotConfigured, Permanent


class SecretBox:
    """Encrypts and decrypts short secrets (Fernet: AES-128-CBC with HMAC-SHA256)."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take url-safe base64 keys of 32 bytes, newest first; raise `NotConfigured` for none or a malformed one."""
        if not keys:
            raise NotConfigured("PILAR_SECRET_KEYS is empty: credentials can't be stored. `pilar doctor` makes a key.")
        try:
            single = [Fernet(key) for key in keys]
        except ValueError as error:
            raise NotConfigured("PILAR_SECRET_KEYS holds a key that is not 32 bytes in url-safe base64.") from error
        self._fernet = MultiFernet(single)
        self._by_name = {key_name(key): fernet for key, fernet in zip(keys, single, strict=True)}

    @property
    def key_names(self) -> tuple[str, ...]:
        """What the keys are called in lists, the newest first."""
        return tuple(self._by_name)

    def key_of(self, sealed: bytes) -> str | None:
        """The name of the key that opens it; None where none does."""
        for name, fernet in self._by_name.items():
            try:
                fernet.decrypt(bytes(sealed))
            except InvalidToken:
                continue
            return name
        return None

    def seal(self, secret: str) -> bytes:
        """Encrypt with the newest key."""
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """Decrypt with whichever key fits; raise `Permanent` where none does."""
        try:
            return self._fernet.decrypt(bytes(sealed)).decode()
        except InvalidToken as error:
            raise Permanent("None of PILAR_SECRET_KEYS opens this credential: was a key removed too early?") from error

    def reseal(self, sealed: bytes) -> bytes:
        """Encrypt again with the newest key, for rotation."""
        return self._fernet.rotate(bytes(sealed))


def key_name(key: str) -> str:
    """What a key is called where it must not be shown: the beginning of its hash, which tells nothing of it."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def new_key() -> str:
    """A fresh key for `PILAR_SECRET_KEYS`."""
    return Fernet.generate_key().decode()
