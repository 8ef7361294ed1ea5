"""People sign in by password or link, stay signed in for a while, and are kept out after too many guesses."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Connection, select

from pilar.backplane.tables import audit_log
from pilar.database.engine import Database, Scope
from pilar.errors import Invalid, NotFound, TooManyRequests, Unauthenticated
from pilar.ids import new_id
from pilar.security import passwords, sessions
from pilar.security.principals import Kind
from pilar.security.tables import browser_session, sign_in_link
from pilar.workspaces import store
from tests.security.conftest import NOW

PASSWORD = "correct horse battery"


QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Hashes as the product's does, without its effort: who guesses twenty times here need not wait for it."""


@pytest.fixture(autouse=True)
def _password(connection: Connection, person: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = QUICK.hash("nobody has this password")
    monkeypatch.setattr(passwords, "_hasher", lambda: QUICK)
    monkeypatch.setattr(passwords, "_nobody", lambda: nobody)
    sessions.set_password(connection, person, PASSWORD, actor="system", now=NOW)


def attempt(connection: Connection, password: str = PASSWORD, address: str = "ada@studio.test", ip: str = "192.0.2.1"):
    return sessions.sign_in_by_password(connection, address=address, password=password, ip=ip, now=NOW)


def test_the_right_password_signs_in(connection: Connection, person: UUID, workspace: UUID) -> None:
    session = attempt(connection, address="  Ada@Studio.test ")
    assert session is not None
    live = sessions.resolve(connection, session.token, NOW)
    assert live.principal.kind is Kind.OWNER
    assert live.principal.roles == {workspace: Kind.OWNER}
    assert live.name == "Ada"
    assert live.accepts(live.csrf_secret)
    assert not live.accepts("")


def test_the_wrong_password_and_the_unknown_address_are_refused_alike(connection: Connection) -> None:
    assert attempt(connection, "wrong") is None
    assert attempt(connection, address="nobody@studio.test") is None
    assert attempt(connection, address="nul\0@studio.test") is None


def test_a_person_without_a_password_has_none_to_guess(connection: Connection) -> None:
    store.ensure_person(connection, email="link@studio.test", name="Link", phone=None, now=NOW)
    for guess in ("", "None", "nobody has this password"):
        assert attempt(connection, guess, address="link@studio.test") is None


def test_five_failures_lock_an_address_even_for_the_right_password(connection: Connection) -> None:
    for _ in range(5):
        assert attempt(connection, "wrong") is None
    with pytest.raises(TooManyRequests) as locked, connection.begin_nested():
        attempt(connection)
    assert locked.value.retry_after is not None
    assert timedelta(0) < locked.value.retry_after <= sessions.LOCKOUT
    assert attempt(connection, address="other@studio.test") is None


def test_the_lock_opens_after_its_time(connection: Connection) -> None:
    for _ in range(5):
        attempt(connection, "wrong")
    later = NOW + sessions.LOCKOUT
    assert sessions.sign_in_by_password(
        connection, address="ada@studio.test", password=PASSWORD, ip="192.0.2.1", now=later
    )


def test_twenty_failures_lock_a_place(connection: Connection) -> None:
    for number in range(20):
        assert attempt(connection, "wrong", address=f"guess{number}@studio.test") is None
    with pytest.raises(TooManyRequests), connection.begin_nested():
        attempt(connection)
    assert attempt(connection, ip="192.0.2.2") is not None


def test_signing_in_rightly_any_number_of_times_locks_nothing(connection: Connection) -> None:
    for _ in range(7):
        assert attempt(connection) is not None


def test_what_was_typed_is_neither_stored_nor_logged(connection: Connection) -> None:
    attempt(connection, "wrong", address="my secret password")
    session = attempt(connection)
    assert session is not None
    stored = str(connection.execute(select(audit_log)).all()) + str(connection.execute(select(browser_session)).all())
    assert "my secret password" not in stored
    assert session.token not in stored


def test_a_link_works_once(connection: Connection, person: UUID) -> None:
    token = sessions.make_sign_in_link(connection, person, actor="system", now=NOW)
    assert sessions.link_is_open(connection, token, NOW)
    assert sessions.link_is_open(connection, token, NOW)
    assert sessions.sign_in_by_link(connection, token, NOW).person_id == person
    assert not sessions.link_is_open(connection, token, NOW)
    with pytest.raises(Unauthenticated):
        sessions.sign_in_by_link(connection, token, NOW)
    assert token not in str(connection.execute(select(sign_in_link)).all())


def test_a_link_expires(connection: Connection, person: UUID) -> None:
    token = sessions.make_sign_in_link(connection, person, actor="system", now=NOW)
    with pytest.raises(Unauthenticated):
        sessions.sign_in_by_link(connection, token, NOW + sessions.LINK_LASTS)


def test_a_link_is_made_for_people_only(connection: Connection) -> None:
    with pytest.raises(NotFound):
        sessions.make_sign_in_link(connection, new_id(), actor="system", now=NOW)


def test_a_session_ends_by_signing_out(connection: Connection) -> None:
    session = attempt(connection)
    assert session is not None
    sessions.sign_out(connection, sessions.resolve(connection, session.token, NOW), NOW)
    with pytest.raises(Unauthenticated):
        sessions.resolve(connection, session.token, NOW)


def test_an_idle_session_ends_and_a_used_one_goes_on_until_its_time(connection: Connection) -> None:
    idle, used = attempt(connection), attempt(connection)
    assert idle is not None
    assert used is not None
    day = timedelta(days=1)
    for days in range(1, 14):
        sessions.resolve(connection, used.token, NOW + days * day)
    with pytest.raises(Unauthenticated):
        sessions.resolve(connection, used.token, NOW + sessions.LASTS)
    with pytest.raises(Unauthenticated):
        sessions.resolve(connection, idle.token, NOW + sessions.IDLE_AFTER)


def test_a_new_password_ends_every_session(connection: Connection, person: UUID) -> None:
    session = attempt(connection)
    assert session is not None
    sessions.set_password(connection, person, "another good password", actor="system", now=NOW)
    with pytest.raises(Unauthenticated):
        sessions.resolve(connection, session.token, NOW)
    assert attempt(connection) is None


def test_passwords_have_a_length() -> None:
    for bad in ("short", "x" * 201):
        with pytest.raises(Invalid):
            passwords.hash_password(bad)
    assert not passwords.matches(passwords.hash_password(PASSWORD), "x" * 10_000)


def test_expired_sessions_and_links_are_forgotten(connection: Connection, person: UUID) -> None:
    attempt(connection)
    sessions.make_sign_in_link(connection, person, actor="system", now=NOW)
    assert sessions.forget_expired(connection, NOW) == 0
    assert sessions.forget_expired(connection, NOW + timedelta(days=15)) == 2


def test_guesses_at_the_same_moment_are_all_counted(database: Database) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def guess(_: int) -> str:
        try:
            with database.transaction(Scope.fleet()) as own:
                return "refused" if attempt(own, "wrong", address="race@studio.test") is None else "in"
        except TooManyRequests:
            return "locked"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(guess, range(12)))
    assert outcomes.count("refused") == 5
    assert outcomes.count("locked") == 7
