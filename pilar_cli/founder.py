"""The founder's access. What belongs here: making the person, a link to sign in with, a password."""

from __future__ import annotations

from datetime import datetime

from pilar.database.engine import Database, Scope
from pilar.security import passwords, sessions, store
from pilar.workspaces.store import ensure_person

ACTOR = "system"
"""Whoever has this machine's command line is asked for nothing more."""


def sign_in_link(database: Database, public_url: str, email: str, name: str, now: datetime) -> str:
    """Make sure that there is a founder with that address, and return a one-time link that signs them in.

    Args:
        database: the product's.
        public_url: the web service's address.
        email: the founder's.
        name: as pages show it, if the person is new.
        now: real time.
    """
    with database.transaction(Scope.fleet()) as connection:
        person = ensure_person(connection, email=email, name=name, phone=None, now=now, is_founder=True)
        token = sessions.make_sign_in_link(connection, person, actor=ACTOR, now=now)
    return f"{public_url}/sign-in/link/{token}"


def set_password(database: Database, email: str, password: str, now: datetime) -> bool:
    """Have a person sign in with this password; return False if they do already (a change ends their sessions).

    Raises:
        Invalid: it is too short or too long.
    """
    with database.transaction(Scope.fleet()) as connection:
        person = store.person_by_address(connection, email.strip().lower())
        if person is None or passwords.matches(person.password_hash, password):
            return False
        sessions.set_password(connection, person.id, password, actor=ACTOR, now=now)
    return True
