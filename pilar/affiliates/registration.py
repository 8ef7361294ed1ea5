"""Becoming an affiliate. What belongs here: affiliates whom the founder adds; their signing in is `security`'s."""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import Connection

from pilar.affiliates import store
from pilar.affiliates.programme import in_force
from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.errors import Invalid
from pilar.ids import new_id
from pilar.workspaces.store import ensure_person, name_affiliate

LONGEST_NAME = 200
LONGEST_ADDRESS = 320
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


def register(connection: Connection, clocks: Clocks, *, name: str, email: str, actor: str) -> UUID:
    """Make a person an affiliate under the terms in force; who is one already stays as they are.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        name: as the affiliate is called.
        email: where they get mail and what they sign in with.
        actor: who adds them, as in the audit log.

    Returns:
        The affiliate's id.

    Raises:
        Invalid: the name is missing or too long, or the address is none.
    """
    name, email = name.strip(), email.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise Invalid(f"An affiliate has a name of at most {LONGEST_NAME} characters.")
    if not _ADDRESS.fullmatch(email) or len(email) > LONGEST_ADDRESS or not email.isprintable():
        raise Invalid("This is no e-mail address.")
    person_id = ensure_person(connection, email=email, name=name, phone=None, now=clocks.real.now())
    affiliate_id = new_id()
    values = {
        "affiliate_id": affiliate_id,
        "person_id": person_id,
        "name": name,
        # The founder vouches for whom they add.
        "state": "verified",
        "programme_version": in_force(connection, clocks).version,
        "created_at": clocks.business.now(),
    }
    if not store.insert_affiliate(connection, values):
        return store.affiliate_of_person(connection, person_id)
    name_affiliate(connection, person_id, affiliate_id)
    audit.record(
        connection,
        actor=actor,
        action="affiliates.registered",
        subject=f"affiliate:{affiliate_id}",
        now=clocks.real.now(),
    )
    return affiliate_id
