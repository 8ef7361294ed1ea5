"""Proxies in front of the web service. What belongs here: whose forwarded headers are believed, and what they say.

A header is anybody's to send, so it counts only where the peer of the connection is one of the addresses that the
settings name. What such a peer says of the visitor's address replaces the connection's own; what it says of scheme and
host is kept beside the request for the one who needs the address as the sender wrote it (Twilio signs it).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

ORIGIN = "pilar.origin"
"""Where in a request's scope the forwarded origin is, as `https://host:port`."""

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TrustedProxies:
    """Wraps the application: tells visitors from proxies."""

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        """Take the application and the proxies' addresses or networks (CIDR)."""
        self._app = app
        self._networks = [ipaddress.ip_network(one) for one in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with what a trusted peer says of it."""
        if scope["type"] in {"http", "websocket"} and self._networks:
            peer = _address((scope.get("client") or ("",))[0])
            if peer is not None and self._trusts(peer):
                scope = {**scope, **self._told(scope, peer)}
        await self._app(scope, receive, send)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _told(self, scope: Scope, peer: Address) -> Scope:
        told: Scope = {}
        visitor = self._visitor(_values(scope, b"x-forwarded-for"), peer)
        if visitor != peer:
            told["client"] = (str(visitor), 0)
        # Each proxy appends: the last word is that of the peer itself, all before may be the visitor's invention.
        scheme = _values(scope, b"x-forwarded-proto")[-1:]
        host = _values(scope, b"x-forwarded-host")[-1:]
        if scheme and scheme[0] in {"http", "https"}:
            if scope["type"] == "http":
                told["scheme"] = scheme[0]
            if host and _HOST.fullmatch(host[0]):
                told[ORIGIN] = f"{scheme[0]}://{host[0]}"
        return told

    def _visitor(self, hops: list[str], peer: Address) -> Address:
        """The last one on the way here who is none of the proxies."""
        visitor = peer
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                break
            visitor = address
            if not self._trusts(address):
                break
        return visitor


def _values(scope: Scope, wanted: bytes) -> list[str]:
    told = [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
    return [part.strip() for value in told for part in value.split(",")]


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket for both families names IPv4 peers in IPv6's way.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
