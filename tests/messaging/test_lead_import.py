"""Leads that a studio brings: only with proof of consent, each file once, and never who has said stop."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.backplane.facts import Cause, Lane
from pilar.backplane.handlers import Outside
from pilar.crypto import SecretBox, new_key
from pilar.database.engine import Scope
from pilar.errors import Invalid
from pilar.messaging import consent, file_import, store
from pilar.messaging.csv_rows import Refusal, UnreadableFile
from pilar.messaging.events import ImportLeads
from pilar.messaging.file_import import Taken
from pilar.messaging.lead_import import LEADS, WITHDRAWN, LeadImporter, take_file
from pilar.messaging.lead_import_rows import LeadRow, Studio, read
from pilar.messaging.lead_import_store import get_import
from pilar.messaging.rooms import People
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import StudioConfiguration, StudioProfile
from pilar.workspaces.plans import Plan
from tests.fixtures.studios import OPENED, add_studio
from tests.fixtures.system import Killed, MortalDatabase
from tests.fixtures.work import START, Bench

HEAD = "phone,name,language,time zone,consent source,consent date,consent proof"
HERE = Studio("NL", "Europe/Amsterdam", START)
PEOPLE = People(SecretBox([new_key()]), ())
FINE = "06 12345678,Anna,nl,,Website form,2026-02-01,form 17"


@pytest.fixture
def studio(bench: Bench) -> UUID:
    bench.registry.on_job(ImportLeads, Outside(LeadImporter(bench.database, bench.clocks, PEOPLE).on_job))
    return opened(bench)


def opened(bench: Bench) -> UUID:
    studio = add_studio(bench.database)
    profile = StudioProfile(name="Noord", country="NL", time_zone="Europe/Amsterdam", language="nl")
    with bench.database.transaction(Scope.fleet()) as connection:
        document = StudioConfiguration(plan=Plan.PRO, studio=profile)
        workspaces.save_configuration(connection, studio, document, changed_by="system", note="n", now=OPENED)
    return studio


def take(bench: Bench, studio: UUID, *lines: str, content: bytes | None = None) -> Taken:
    body = "\n".join((HEAD, *lines)).encode() if content is None else content
    with bench.database.transaction(Scope.fleet()) as connection:
        return take_file(connection, bench.clocks, studio, "leads.csv", body, actor="owner:1")


def brought(bench: Bench, studio: UUID, *lines: str) -> Any:
    taken = take(bench, studio, *lines)
    bench.run(lane=Lane.BULK)
    with bench.database.transaction(Scope.fleet()) as connection:
        return get_import(connection, studio, taken.row.id)


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"+3161{number:07d},,,,Form,2026-02-01,f {number}" for number in range(start, start + count)]


def of(text: str, head: str = HEAD) -> list[LeadRow | Refusal]:
    rows = LEADS.rows(iter([f"{head}\n{text}".encode()]))
    return [read(line, fields, HERE) for line, fields in rows]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("06 12345678,Anna,nl,,,2026-02-01,form 17", "consent_source"),
        ("06 12345678,Anna,nl,,Form,2026-02-01,", "without proof"),
        ("06 12345678,Anna,nl,,Form,2026-02-01,-", "without proof"),
        ("06 12345678,Anna,nl,,Form,,form 17", "consent_date"),
        ("06 12345678,Anna,nl,,Form,01/02/2026,form 17", "2026-03-31"),
        ("06 12345678,Anna,nl,,Form,2026-03-03,form 17", "future"),
        ("06 123,Anna,nl,,Form,2026-02-01,form 17", "phone"),
        ("anna@north.test,Anna,nl,,Form,2026-02-01,form 17", "phone"),
        ("06 12345678,Anna,Dutch,,Form,2026-02-01,form 17", "language"),
        ("06 12345678,Anna,nl,Amsterdam,Form,2026-02-01,form 17", "time_zone"),
        ("06 12345678,Anna,nl,,Form,2026-02-01,form 17,more", "fields"),
        (f"06 12345678,{'a' * 101},nl,,Form,2026-02-01,form 17", "name"),
        ("06 12345678,An\x00na,nl,,Form,2026-02-01,form 17", "character"),
    ],
)
def test_a_row_that_can_not_be_used_is_refused_with_what_was_wrong(row: str, says: str) -> None:
    (found,) = of(row)
    assert isinstance(found, Refusal) and says in found.reason
    assert "Anna" not in found.reason and "1234" not in found.reason


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("Anna@Mail.EXAMPLE,yes", ("Anna@mail.example", True)),
        ("anna@mail.example,no", ("anna@mail.example", False)),
        (",", (None, False)),
        ("anna at mail,", "email is none"),
        ("anna@mail.example,perhaps", "consent_to_email"),
        (",yes", "there is no email"),
    ],
)
def test_a_consent_covers_mail_only_where_the_row_says_so(row: str, found: Any) -> None:
    head = "email,consent to email,phone,consent source,consent date,consent proof"
    (one,) = of(f"{row},0612345678,Form,2026-02-01,form 17", head)
    if isinstance(found, str):
        assert isinstance(one, Refusal) and found in one.reason and "anna" not in one.reason
    else:
        assert isinstance(one, LeadRow) and (one.email, one.agreed_to_email) == found


@pytest.mark.parametrize(
    ("written", "phone"),
    [
        ("06 12345678", "+31612345678"),
        ("+49 (0)171 5550123", "+491715550123"),
        ("0049 171 5550123", "+491715550123"),
        ("+1 212-555-0123", "+12125550123"),
    ],
)
def test_numbers_are_written_in_one_way(written: str, phone: str) -> None:
    (found,) = of(f"{written},,,,Form,2026-02-01,form 17")
    assert isinstance(found, LeadRow) and found.phone == phone


def test_columns_come_in_any_order_with_any_separator_and_lines_are_the_files_own() -> None:
    head = "\ufeffConsent Proof;PHONE;consent-source;notes;consent_date"
    text = '"form\n17";0612345678;Form;x;2026-02-01\n\nform 18;06;Form;x;2026-02-01\n'
    first, second = of(text, head)
    assert isinstance(first, LeadRow) and first.proof == "Form, 2026-02-01: form 17"
    assert (first.line, second.line) == (2, 5)
    assert isinstance(second, Refusal)


@given(st.binary(max_size=200), st.integers(1, 7))
def test_whatever_comes_is_read_refused_or_told_to_be_unreadable(body: bytes, size: int) -> None:
    parts = [
        (HEAD.encode() + b"\n" + body)[start : start + size] for start in range(0, len(HEAD) + 1 + len(body), size)
    ]
    try:
        for line, fields in LEADS.rows(iter(parts)):
            assert isinstance(read(line, fields, HERE), LeadRow | Refusal)
    except UnreadableFile as error:
        assert "save it as" in error.message or "Line" in error.message


def test_leads_are_there_with_their_consent_and_the_rest_is_told_line_by_line(bench: Bench, studio: UUID) -> None:
    done = brought(bench, studio, FINE, "06 1,Bo,nl,,Form,2026-02-01,x 1", FINE, *numbered(2))
    assert (done.state, done.rows_read, done.added, done.known, done.refused) == ("done", 5, 3, 1, 1)
    assert bench.rows("select line from lead_import_refusal") == [(3,)]
    (anna,) = bench.rows(
        "select phone, name, language, country, source, provider_user_id from lead where name = 'Anna'"
    )
    assert anna == ("+31612345678", "Anna", "nl", "NL", "import", "31612345678")
    assert bench.rows("select distinct scope, granted, source from consent") == [("marketing", True, "import")]
    assert bench.one("select count(*) from consent") == 3
    assert bench.one("select count(*) from lead_import_part") == 0  # nothing of the file is kept
    again = take(bench, studio, FINE, "06 1,Bo,nl,,Form,2026-02-01,x 1", FINE, *numbered(2))
    assert not again.is_new and again.row.id == done.id
    other = brought(bench, studio, FINE)
    assert (other.added, other.known) == (0, 1)
    assert bench.one("select count(*) from consent") == 3  # the same proof counts once
    assert take(bench, opened(bench), FINE).is_new  # another studio's file is its own


def test_who_has_said_stop_stays_silent_whatever_a_file_says(bench: Bench, studio: UUID) -> None:
    brought(bench, studio, FINE)
    lead = bench.one("select id from lead")
    with bench.database.transaction(Scope.fleet()) as connection:
        consent.withdraw(
            connection, bench.clocks, studio, lead, "marketing", "wording", "message:1", Cause.new(), PEOPLE
        )
    done = brought(bench, studio, FINE.replace("form 17", "form 99"), *numbered(1))
    assert (done.added, done.known, done.refused) == (1, 0, 1)
    assert bench.rows("select line, reason from lead_import_refusal") == [(2, WITHDRAWN)]
    with bench.database.transaction(Scope.fleet()) as connection:
        assert store.consents(connection, studio, lead) == {"marketing": False}


def test_who_wrote_before_is_known_by_number_or_id_and_keeps_what_is_known(bench: Bench, studio: UUID) -> None:
    values = {"language": "de", "country": "NL", "lifecycle": "customer", "source": "whatsapp", "created_at": OPENED}
    with bench.database.transaction(Scope.fleet()) as connection:
        store.ensure_lead(connection, studio, "31610000001", {**values, "phone": None, "name": None})
        store.ensure_lead(connection, studio, "user-2", {**values, "phone": "+31610000000", "name": "Bo"})
    done = brought(bench, studio, "+31610000000,Carl,nl,,F,2026-02-01,f 1", "+31610000001,Dana,nl,,F,2026-02-01,f 2")
    assert (done.added, done.known, done.refused) == (0, 2, 0)
    assert sorted(bench.rows("select name, language, lifecycle from lead")) == [
        ("Bo", "de", "customer"),
        ("Dana", "de", "customer"),
    ]


def test_a_file_that_breaks_off_is_told_and_what_came_before_stays(
    bench: Bench, studio: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_import, "BATCH", 2)
    done = brought(bench, studio, *numbered(4), '"+31612345678,,,,F,2026-02-01,f 9')
    assert (done.state, done.added) == ("failed", 4)
    assert "Line 6" in done.error and "quotes" in done.error


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"  \n ", "empty"),
        (b"name,phone\nAnna,1", "missing: consent_source"),
        (HEAD.encode("utf-16"), "UTF-8"),
        (f"{HEAD},phone\n".encode(), "twice"),
        (b"x" * (file_import.LARGEST + 1), "larger"),
    ],
)
def test_a_file_that_holds_no_leads_is_refused_at_once(bench: Bench, studio: UUID, content: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        take(bench, studio, content=content)
    assert bench.one("select count(*) from lead_import") == 0


@pytest.mark.parametrize("dies_at", [1, 4, 5, 6])
@pytest.mark.parametrize("after_commit", [False, True])
def test_who_is_killed_in_the_middle_goes_on_and_brings_each_lead_once(
    bench: Bench, studio: UUID, monkeypatch: pytest.MonkeyPatch, dies_at: int, after_commit: bool
) -> None:
    monkeypatch.setattr(file_import, "BATCH", 3)
    monkeypatch.setattr(file_import, "PART", 100)
    taken = take(bench, studio, *numbered(8), "06 1,,,,F,2026-02-01,f 1")
    mortal = MortalDatabase(bench.database.url, dies_at=dies_at, after_commit=after_commit)
    importer = LeadImporter(mortal, bench.clocks, PEOPLE)

    class Asked:
        workspace_id, content = studio, ImportLeads(import_id=taken.row.id)

    with pytest.raises(Killed):
        while True:
            importer.on_job(Asked)  # type: ignore[arg-type]
    mortal.close()
    counts = LeadImporter(bench.database, bench.clocks, PEOPLE).on_job(Asked)  # type: ignore[arg-type]
    assert counts == {"rows": 9, "added": 8, "known": 0, "refused": 1}
    assert bench.one("select count(*) from lead") == bench.one("select count(*) from consent") == 8
