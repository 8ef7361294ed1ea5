"""`pilar inbox` on a real database, called as the shell would call it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pilar.backplane.handlers import Transactional
from pilar.backplane.work import Status
from pilar.ids import new_id
from pilar_cli.work_states import WorkState
from tests.backplane.test_received import come, drain, record
from tests.fixtures.work import Bench
from tests.pilar_cli.test_queue_commands import answer, bench, run, text

__all__ = ["bench"]

LEAD, TEXT = "31612345678", "Kan ik morgen komen?"


@pytest.fixture
def doors(bench: Bench) -> Bench:
    """Three webhooks, one of which nobody can read."""
    bench.on_chore(lambda connection, work: None)
    bench.registry.on_delivery("whatsapp", "messages", Transactional(record(bench)))
    come(bench, *(("whatsapp", f"w{n}", {"from": LEAD, "id": f"wamid.HBgL{n}", "text": {"body": TEXT}, "refuse": n == 1})
                  for n in range(3)))  # fmt: skip
    drain(bench)
    return bench


def listed(*words: str) -> list[Any]:
    return [one["external_id"] for one in answer("inbox", "list", *words)["deliveries"]]


def test_the_commands_know_each_state() -> None:
    assert [one.value for one in WorkState] == [one.value for one in Status]


def test_webhooks_are_listed_page_by_page(doors: Bench) -> None:
    assert listed() == ["w2", "w1", "w0"]
    assert listed("--state", "failed") == ["w1"]
    assert listed("--search", "wamid.HBgL2") == ["w2"]
    assert listed("--search", "+31 6 12345678", "--state", "completed") == ["w2", "w0"]
    assert listed("--says", "morgen") == ["w2", "w1", "w0"]
    assert listed("--provider", "stripe") == []
    assert listed("--until", "2020-01-01") == []
    first = answer("inbox", "list", "--limit", "2")
    assert listed("--cursor", first["next_cursor"]) == ["w0"]
    assert first["next_cursor"] in text("inbox", "list", "--limit", "2")
    assert "This one can't be read." in text("inbox", "list")
    assert "There are no such webhooks." in text("inbox", "list", "--search", "nobody")
    assert run("inbox", "list", "--cursor", "odd").exit_code == 2
    assert run("inbox", "list", "--workspace", str(new_id())).exit_code == 1


def test_one_is_shown_masked_and_who_looks_behind_that_is_on_record(doors: Bench) -> None:
    newest = answer("inbox", "list")["deliveries"][0]["id"]
    for told in (text("inbox", "show", newest), run("inbox", "show", newest, "--json").stdout):
        assert LEAD not in told
        assert TEXT not in told
        assert "test.chore" in told
        assert "wamid.HBgL2" in told
    audited = "select actor, subject from audit_log where action = 'inbox.unmasked'"
    assert doors.rows(audited) == []
    shown = text("inbox", "show", newest, "--unmask")
    assert LEAD in shown
    assert TEXT in shown
    assert doors.rows(audited) == [("admin:command line", f"delivery:{newest}")]
    missing = run("inbox", "show", str(new_id()))
    assert (missing.exit_code, "There is no delivery" in missing.stderr) == (1, True)


def test_they_are_worked_on_again_by_id_or_by_filter(doors: Bench) -> None:
    newest, dead, _ = [one["id"] for one in answer("inbox", "list")["deliveries"]]
    for wrong in ((), (newest, "--provider", "whatsapp"), ("nonsense",)):
        assert run("inbox", "replay", *wrong).exit_code == 2
    assert answer("inbox", "replay", newest, dead, str(new_id()), "--reason", "a drill") == {
        "replayed": 2, "waiting": 0, "too_old": 0, "unknown": 1,
    }  # fmt: skip
    assert "2 are at work or wait for it anyway." in text("inbox", "replay", newest, dead)
    doors.real.advance(timedelta(minutes=10))  # past the commands' own time
    drain(doors)
    asked = run("inbox", "replay", "--provider", "whatsapp")
    assert (asked.exit_code, "3 match." in asked.stderr) == (1, True), "nobody said yes"
    assert doors.one("select count(*) from queue") == 0
    assert "3 will be worked on again." in text("inbox", "replay", "--provider", "whatsapp", "--yes")
    drain(doors)
    assert doors.one("select count(*) from autopilot_job") == 2, "nothing was done twice"
    assert {row[0] for row in doors.rows("select actor from audit_log where action = 'inbox.replayed'")} == {
        "admin:command line"
    }
    assert "1 matches." in run("inbox", "replay", "--state", "failed", "--yes").stderr
