"""What the audit log's seal promises: it covers each entry once, waits for who still writes, and shows any change."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from pilar.backplane import audit
from pilar.backplane.audit_chain import canonical
from pilar.backplane.sealing import Sealed, seal
from pilar.backplane.verifying import KEPT_AT_LEAST, Broken, Verified, oldest_unsealed, verify, verify_new
from pilar.database.engine import Scope
from pilar.ids import new_id
from tests.fixtures.system import Killed, MortalDatabase
from tests.fixtures.work import Bench
from tests.properties import examples


def _write(connection: Connection, bench: Bench, *subjects: str) -> None:
    for subject in subjects:
        audit.record(
            connection,
            actor="system",
            action="test.done",
            subject=subject,
            now=bench.real.now(),
            workspace_id=new_id(),
            details={"number": 1.10, "text": "é", "none": None},
        )


def _record(bench: Bench, *subjects: str) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        _write(connection, bench, *subjects)


def _verified(bench: Bench) -> Verified:
    with bench.database.transaction(Scope.fleet()) as connection:
        return verify(connection, bench.real.now())


def _tamper(bench: Bench, *statements: str, **values: Any) -> None:
    """Change history as only the database's owner can: the roles have no right to, and a trigger is in the way."""
    with bench.database.engine.begin() as connection:
        for table in ("audit_log", "audit_seal"):
            connection.execute(text(f"alter table {table} disable trigger append_only"))
        for statement in statements:
            connection.execute(text(statement), values)
        for table in ("audit_log", "audit_seal"):
            connection.execute(text(f"alter table {table} enable trigger append_only"))


def _positions(bench: Bench) -> list[int]:
    return [row[0] for row in bench.rows("select position from audit_log order by position")]


def test_all_is_sealed_in_segments_and_found_whole(bench: Bench) -> None:
    _record(bench, *map(str, range(7)))
    done = seal(bench.database, bench.clocks, size=3)
    assert (done.segments, done.entries, done.to_position) == (3, 7, 7)
    found = _verified(bench)
    assert found == Verified(segments=3, entries=7, sealed_to=7, hash=done.hash, unsealed=0, broken=None)
    assert seal(bench.database, bench.clocks) == Sealed(0, 0, 7, done.hash)
    _record(bench, "more")
    assert _verified(bench).unsealed == 1
    assert seal(bench.database, bench.clocks).segments == 1
    assert _verified(bench).broken is None


def test_an_empty_log_is_sealed_and_whole(bench: Bench) -> None:
    assert seal(bench.database, bench.clocks) == Sealed(0, 0, None, None)
    assert _verified(bench) == Verified(0, 0, None, None, 0, None)


def test_nothing_is_sealed_beyond_a_position_that_may_still_turn_up(bench: Bench) -> None:
    _record(bench, "first")
    with bench.database.transaction(Scope.fleet()) as late:
        _write(late, bench, "late")
        _record(bench, "after it")
        assert seal(bench.database, bench.clocks).entries == 0
        assert seal(bench.database, bench.clocks).entries == 0
    assert seal(bench.database, bench.clocks).entries == 3
    assert _verified(bench).broken is None
    assert [row[0] for row in bench.rows("select subject from audit_log order by position")] == [
        "first",
        "late",
        "after it",
    ]


def test_new_writers_do_not_keep_the_seal_from_going_on(bench: Bench) -> None:
    """Under load somebody always writes: what was there when the mark was set is sealed once those writers end."""
    old = bench.database.transaction(Scope.fleet())
    connection = old.__enter__()
    _write(connection, bench, "old")
    _record(bench, "done")
    assert seal(bench.database, bench.clocks).entries == 0
    with bench.database.transaction(Scope.fleet()) as young:
        _write(young, bench, "young")
        old.__exit__(None, None, None)
        assert seal(bench.database, bench.clocks).entries == 2
        assert seal(bench.database, bench.clocks).entries == 0
    assert seal(bench.database, bench.clocks).entries == 1
    assert _verified(bench).entries == 3


def test_who_rolls_back_or_reads_keeps_nothing_up(bench: Bench) -> None:
    _record(bench, "one")
    with bench.database.transaction(Scope.fleet()) as reader:
        reader.execute(text("select * from audit_log")).all()
        assert seal(bench.database, bench.clocks).entries == 1
    with pytest.raises(ZeroDivisionError), bench.database.transaction(Scope.fleet()) as connection:
        _write(connection, bench, "never")
        raise ZeroDivisionError
    _record(bench, "two")
    assert seal(bench.database, bench.clocks).entries == 1
    assert _verified(bench).broken is None


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    story=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["write", "commit", "roll back", "seal"])), max_size=20)
)
def test_however_writers_overlap_each_entry_is_sealed_once(bench: Bench, story: list[tuple[int, str]]) -> None:
    open_ones: dict[int, Connection] = {}
    try:
        for writer, what in story:
            if what == "seal":
                seal(bench.database, bench.clocks, size=2)
            elif what == "write":
                if writer not in open_ones:
                    open_ones[writer] = bench.database.engine.connect()
                _write(open_ones[writer], bench, f"by {writer}")
            elif writer in open_ones:
                connection = open_ones.pop(writer)
                connection.commit() if what == "commit" else connection.rollback()
                connection.close()
    finally:
        for connection in open_ones.values():
            connection.commit()
            connection.close()
    for _ in range(2):  # a mark, and what came after it
        seal(bench.database, bench.clocks, size=2)
    found = _verified(bench)
    assert (found.broken, found.unsealed, found.entries) == (None, 0, len(_positions(bench)))


def test_two_sealers_at_once_make_one_chain(bench: Bench) -> None:
    _record(bench, *map(str, range(40)))
    together = threading.Barrier(4)
    done: list[Sealed] = []

    def run() -> None:
        together.wait()
        done.extend(seal(bench.database, bench.clocks, size=3) for _ in range(10))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.entries for one in done) == 40
    assert _verified(bench).broken is None


def test_a_sealer_sealing_is_left_alone(bench: Bench) -> None:
    _record(bench, "one")
    with bench.database.transaction(Scope.fleet()) as other:
        other.execute(text("select * from audit_progress for update"))
        assert seal(bench.database, bench.clocks).is_elsewhere
    assert seal(bench.database, bench.clocks).entries == 1


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_sealer_that_is_killed_leaves_a_chain_that_goes_on(bench: Bench, dies_at: int, after_commit: bool) -> None:
    _record(bench, *map(str, range(7)))
    dying = MortalDatabase(bench.database.url, dies_at=dies_at, after_commit=after_commit)
    with pytest.raises(Killed):
        seal(dying, bench.clocks, size=3)
    dying.close()
    assert _verified(bench).entries == 3 * (dies_at - (not after_commit)) or dies_at == 3
    seal(bench.database, bench.clocks, size=3)
    found = _verified(bench)
    assert (found.entries, found.unsealed, found.broken) == (7, 0, None)


CHANGES = {
    "actor": "'admin:1'",
    "action": "'test.undone'",
    "subject": "'5 '",
    "details": "details || '{\"number\": 1.10}'",
    "recorded_at": "recorded_at + interval '1 microsecond'",
    "workspace_id": "null",
    "correlation_id": "gen_random_uuid()",
    "id": "gen_random_uuid()",
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_entry_is_named(bench: Bench, column: str) -> None:
    _record(bench, *map(str, range(9)))
    seal(bench.database, bench.clocks, size=4)
    _tamper(bench, f"update audit_log set {column} = {CHANGES[column]} where position = 6")
    assert _verified(bench).broken == Broken(2, 6, "changed")


def test_a_deleted_entry_is_named(bench: Bench) -> None:
    _record(bench, *map(str, range(9)))
    seal(bench.database, bench.clocks, size=4)
    _tamper(bench, "delete from audit_log where position in (3, 7)")
    assert _verified(bench).broken == Broken(1, 3, "deleted")


INSERT = """
insert into audit_log (position, id, actor, action, subject, details, recorded_at) overriding system value
values (:position, gen_random_uuid(), 'a', 'b', 'c', '{}', '2026-01-01Z')
"""


@pytest.mark.parametrize("position", [-5, 0, 4, 8])
def test_an_entry_that_was_slipped_in_behind_the_seal_is_named(bench: Bench, position: int) -> None:
    _record(bench, *map(str, range(9)))
    with bench.database.engine.begin() as connection:  # a gap, as a rolled-back writer leaves one
        connection.execute(text("alter table audit_log disable trigger append_only"))
        connection.execute(text("delete from audit_log where position in (4, 8)"))
        connection.execute(text("alter table audit_log enable trigger append_only"))
    seal(bench.database, bench.clocks, size=3)
    assert _verified(bench).broken is None
    _tamper(bench, INSERT, position=position)
    broken = _verified(bench).broken
    assert broken is not None
    assert (broken.position, broken.what) == (position, "inserted")


@pytest.mark.parametrize(
    ("statement", "segment", "what"),
    [
        ("delete from audit_seal where segment = 2", 2, "the seal is missing"),
        ("delete from audit_seal where segment = 1", 1, "the seal is missing"),
        ("delete from audit_seal where segment = 3", 3, "the seal is missing"),
        ("delete from audit_seal", 1, "the seal is missing"),
        ("update audit_seal set hash = sha256('x') where segment = 2", 2, "the seal was changed"),
        ("update audit_seal set content = sha256('x') where segment = 2", 2, "the seal was changed"),
        ("update audit_seal set sealed_at = sealed_at + interval '1 day' where segment = 2", 2, "the seal was changed"),
        ("update audit_seal set entries = 99 where segment = 2", 2, "the seal was changed"),
        ("update audit_seal set to_position = 99 where segment = 3", 3, "the seal was changed"),
        ("update audit_seal set digests = '' where segment = 2", 2, "inserted"),
        ("update audit_seal set forgotten_at = '2026-03-03Z' where segment = 1", 1, "inserted"),
    ],
)  # fmt: skip
def test_a_seal_that_was_tampered_with_is_named(bench: Bench, statement: str, segment: int, what: str) -> None:
    _record(bench, *map(str, range(9)))
    seal(bench.database, bench.clocks, size=3)
    assert verify_new(bench.database, bench.clocks).broken is None
    _tamper(bench, statement)
    broken = _verified(bench).broken
    assert broken is not None
    assert (broken.segment, broken.what) == (segment, what)


def test_entries_cannot_be_passed_off_as_past_their_time(bench: Bench) -> None:
    _record(bench, *map(str, range(6)))
    seal(bench.database, bench.clocks, size=3)
    _tamper(
        bench,
        "delete from audit_log where position <= 3",
        "update audit_seal set forgotten_at = '2030-01-01Z', digests = '' where segment = 1",
    )
    assert _verified(bench).broken == Broken(1, -(1 << 63), "deleted before its time")


def test_a_chain_made_anew_is_told_from_the_one_that_was_verified(bench: Bench) -> None:
    _record(bench, *map(str, range(6)))
    seal(bench.database, bench.clocks, size=3)
    verify_new(bench.database, bench.clocks)
    _tamper(bench, "delete from audit_seal", "update audit_log set subject = 'x' where position = 2")
    seal(bench.database, bench.clocks, size=3)
    broken = _verified(bench).broken
    assert broken is not None
    assert broken.what == "the seal was made anew since it was last verified"


def test_verifying_goes_on_where_it_stopped_and_costs_what_is_new(bench: Bench) -> None:
    _record(bench, *map(str, range(9)))
    seal(bench.database, bench.clocks, size=3)
    assert verify_new(bench.database, bench.clocks, limit=2).segments == 2
    assert verify_new(bench.database, bench.clocks).segments == 2, "the last one again, and the next"
    _record(bench, "more")
    seal(bench.database, bench.clocks)
    assert verify_new(bench.database, bench.clocks).entries == 4
    _tamper(bench, "update audit_log set subject = 'x' where position = 10")
    assert verify_new(bench.database, bench.clocks).broken == Broken(4, 10, "changed")
    assert bench.one("select verified_segment from audit_progress") == 4


def test_what_is_not_sealed_yet_is_told_by_age(bench: Bench) -> None:
    with bench.database.transaction(Scope.fleet()) as connection:
        assert oldest_unsealed(connection) is None
        _write(connection, bench, "one")
    written = bench.real.now()
    bench.real.advance(timedelta(hours=1))
    with bench.database.transaction(Scope.fleet()) as connection:
        assert oldest_unsealed(connection) == written
    seal(bench.database, bench.clocks)
    with bench.database.transaction(Scope.fleet()) as connection:
        assert oldest_unsealed(connection) is None


@pytest.mark.parametrize("table", ["audit_log", "audit_seal"])
@pytest.mark.parametrize("change", ["update {} set sealed_at = sealed_at", "delete from {}", "truncate {}"])
def test_not_even_the_owner_changes_history_unawares(bench: Bench, table: str, change: str) -> None:
    statement = change.format(table).replace("sealed_at", "sealed_at" if table == "audit_seal" else "subject")
    with pytest.raises(DBAPIError, match="append-only"), bench.database.engine.begin() as connection:
        connection.execute(text(statement))
    for scope in (Scope.fleet(), Scope.workspace(new_id())):
        with (
            pytest.raises(DBAPIError, match=r"permission denied|must be owner"),
            bench.database.transaction(scope) as connection,
        ):
            connection.execute(text(statement))


TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=20)
DETAILS = st.dictionaries(TEXTS, st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=5), max_size=4)  # fmt: skip
FIELDS = ("actor", "action", "subject", "details")


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entry=st.tuples(TEXTS, TEXTS, TEXTS, DETAILS), other=st.tuples(TEXTS, TEXTS, TEXTS, DETAILS))
def test_whatever_an_entry_holds_it_is_found_whole_and_any_other_content_is_not(
    bench: Bench, entry: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    import json

    def values(of: tuple[Any, ...]) -> dict[str, Any]:
        return {**dict(zip(FIELDS, of, strict=True)), "details": json.dumps(of[3])}

    insert = text("insert into audit_log (id, actor, action, subject, details, recorded_at) values (gen_random_uuid(), :actor, :action, :subject, cast(:details as jsonb), '2026-01-01Z') returning position")  # fmt: skip
    with bench.database.transaction(Scope.fleet()) as connection:
        position = connection.execute(insert, values(entry)).scalar_one()
    seal(bench.database, bench.clocks)
    assert _verified(bench).broken is None
    change = "update audit_log set actor = :actor, action = :action, subject = :subject, details = cast(:details as jsonb) where position = :position"
    _tamper(bench, change, position=position, **values(other))
    is_same = (
        bench.one(f"select count(*) from audit_log where position = {position}") == 1
        and entry[:3] == other[:3]
        and _same_json(bench, entry[3], other[3])
    )
    broken = _verified(bench).broken
    assert (broken is None) == is_same
    assert broken is None or broken.position == position
    _tamper(bench, change, position=position, **values(entry))
    assert _verified(bench).broken is None


def _same_json(bench: Bench, one: Any, other: Any) -> bool:
    import json

    with bench.database.transaction(Scope.fleet()) as connection:
        statement = text("select cast(:a as jsonb)::text = cast(:b as jsonb)::text")
        return bool(connection.execute(statement, {"a": json.dumps(one), "b": json.dumps(other)}).scalar_one())


@given(
    one=st.lists(st.none() | st.text(max_size=4), max_size=4),
    other=st.lists(st.none() | st.text(max_size=4), max_size=4),
)
def test_two_lists_of_fields_have_one_form_only_if_they_are_the_same(
    one: list[str | None], other: list[str | None]
) -> None:
    try:
        forms = canonical(one), canonical(other)
    except UnicodeEncodeError:
        return  # a lone surrogate, which no text in PostgreSQL holds
    assert (forms[0] == forms[1]) == (one == other)


def test_what_is_past_its_time_goes_by_whole_segments_and_the_chain_still_holds(bench: Bench) -> None:
    forget = text("select pilar_forget_audit(:before, :now)")
    _record(bench, *map(str, range(3)))
    seal(bench.database, bench.clocks)
    bench.real.advance(timedelta(days=200))
    _record(bench, *map(str, range(3)))
    seal(bench.database, bench.clocks)
    bench.real.advance(KEPT_AT_LEAST - timedelta(days=100))
    values = {"before": bench.real.now() - KEPT_AT_LEAST, "now": bench.real.now()}
    with bench.database.transaction(Scope.fleet()) as connection:
        assert [connection.execute(forget, values).scalar_one() for _ in range(2)] == [3, 0]
    assert _positions(bench) == [4, 5, 6]
    found = _verified(bench)
    assert (found.broken, found.segments, found.entries) == (None, 2, 3)
    assert verify_new(bench.database, bench.clocks).broken is None
    _tamper(bench, INSERT, position=2)
    assert _verified(bench).broken == Broken(1, 2, "inserted")
