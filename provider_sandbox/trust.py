"""Certificates. What belongs here: one TLS context for every client, since reading the certificate store is slow."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def trusted() -> ssl.SSLContext:
    """The machine's certificate store, read once."""
    return ssl.create_default_context()
