"""Links that affiliates spread, and the clicks on them. What belongs here: making, addressing, counting.

A click keeps nothing personal: who clicked is a keyed hash that changes every day, good for telling visitors of one
day apart and for nothing else. What a click leads to is `attribution.py`'s.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from sqlalchemy import Connection

from pilar.affiliates import store
from pilar.backplane import audit, limits
from pilar.backplane.limits import Limit
from pilar.clocks import Clocks
from pilar.errors import Conflict, Invalid, NotFound
from pilar.ids import new_id
from pilar.settings import Settings, reveal

PARAMETER = "click"
"""The name under which a click's id travels to the checkout."""

LONGEST_CAMPAIGN = 100
LONGEST_TARGET = 500
PER_AFFILIATE = Limit("affiliate_links", 50, timedelta(days=1))

_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CODE_BYTES = 6
_TRIES = 5


@dataclass(frozen=True)
class Link:
    """A link that has just been made."""

    id: UUID
    affiliate_id: UUID
    code: str
    campaign: str
    target: str


@dataclass(frozen=True)
class Visit:
    """What is known of somebody who clicks; none of it is kept as it is."""

    ip: str
    agent: str = ""
    referrer: str = ""


@dataclass(frozen=True)
class Click:
    """A click that was kept: its id, the path of ours to lead on to, and the days for which it counts."""

    id: UUID
    location: str
    cookie_days: int


def create_link(
    connection: Connection, clocks: Clocks, affiliate_id: UUID, *, actor: str, campaign: str = "", target: str = "/"
) -> Link:
    """Make a link.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        affiliate_id: whose.
        actor: who makes it, as in the audit log.
        campaign: what it is for, in the affiliate's words.
        target: the path of ours that it leads to, which may have a query.

    Raises:
        Invalid: the campaign is too long, or the target is no path of ours.
        NotFound: there is no such affiliate.
        TooManyRequests: the affiliate has made fifty links today.
    """
    campaign = campaign.strip()
    if len(campaign) > LONGEST_CAMPAIGN or not campaign.isprintable():
        raise Invalid(f"A campaign has at most {LONGEST_CAMPAIGN} characters.")
    if not _is_ours(target):
        raise Invalid("A link leads to a page of ours: give its path, which begins with a slash.")
    if not store.affiliate_exists(connection, affiliate_id):
        raise NotFound("There is no such affiliate.")
    limits.take(connection, PER_AFFILIATE, str(affiliate_id), clocks.real.now())
    for _ in range(_TRIES):
        link = Link(new_id(), affiliate_id, secrets.token_urlsafe(_CODE_BYTES), campaign, target)
        values = {
            "affiliate_id": affiliate_id,
            "id": link.id,
            "code": link.code,
            "campaign": campaign,
            "target": target,
            "created_at": clocks.business.now(),
            "active": True,
        }
        if store.insert_link(connection, values):
            audit.record(
                connection,
                actor=actor,
                action="affiliates.link_created",
                subject=f"affiliate:{affiliate_id}",
                now=clocks.real.now(),
                details={"link": str(link.id)},
            )
            return link
    raise Conflict("No free code was found for the link.")


def link_url(public_url: str, code: str) -> str:
    """The full address of a link."""
    return f"{public_url}/a/{code}"


def record_click(connection: Connection, clocks: Clocks, code: str, visit: Visit, key: bytes) -> Click:
    """Keep a click, and tell where it leads.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        code: of the link.
        visit: who clicks.
        key: hashes the visitor (`visitor_key`).

    Raises:
        NotFound: there is no such link in use.
    """
    link = store.active_link(connection, code) if _CODE.fullmatch(code) else None
    if link is None:
        raise NotFound("There is nothing at this address.")
    now, click_id = clocks.business.now(), new_id()
    seen = "\n".join((visit.ip, visit.agent, now.date().isoformat()))
    store.insert_click(
        connection,
        {
            "affiliate_id": link.affiliate_id,
            "id": click_id,
            "link_id": link.id,
            "clicked_at": now,
            "visitor_hash": hmac.digest(key, seen.encode(errors="replace"), hashlib.sha256),
            "referrer_host": _host(visit.referrer),
        },
    )
    return Click(click_id, _with_click(link.target, click_id), link.cookie_days)


def visitor_key(settings: Settings) -> bytes:
    """The key that visitors are hashed with, derived from the installation's own."""
    newest = reveal(settings.secret_keys)[0]
    return hmac.digest(newest.encode(), b"affiliates.visitor", hashlib.sha256)


def _is_ours(target: str) -> bool:
    """Whether it is a path and nothing that a browser takes for another host."""
    plain = target.isprintable() and "\\" not in target and len(target) <= LONGEST_TARGET
    return plain and target.startswith("/") and not target.startswith("//") and not urlsplit(target).netloc


def _with_click(target: str, click_id: UUID) -> str:
    parts = urlsplit(target)
    query = [*parse_qsl(parts.query, keep_blank_values=True), (PARAMETER, str(click_id))]
    return urlunsplit(("", "", parts.path, urlencode(query), parts.fragment))


def _host(referrer: str) -> str | None:
    try:
        host = urlsplit(referrer).hostname
    except ValueError:
        return None
    return host if host and len(host) <= 253 and host.isprintable() else None
