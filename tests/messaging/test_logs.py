"""Nothing of a lead gets into a log, however much is logged: neither at the door nor in the work, also when it fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pilar.masking import MaskingFilter
from tests.fixtures.opened import Studio

LEAD, NAME, TEXT = "+31698765432", "Zonneveld-Achterberg", "Vertrouwelijk: mijn knie doet pijn"
_OTHERS = ("provider_sandbox", "uvicorn.access", "aiosmtpd", "mail")
"""Loggers of the sandbox, which is in this process here and is no part of the product."""


class _Everything(logging.Handler):
    """Keeps what a log would have, as its lines would be."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(_OTHERS):
            self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[_Everything]:
    """All that is logged, from DEBUG on, without the filter that the processes have: nothing rests on it alone."""
    handler, root = _Everything(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.setLevel(before)
    root.removeHandler(handler)


def _assert_silent(lines: list[str]) -> None:
    assert lines, "something is logged at all"
    told = "\n".join(lines)
    for secret in (LEAD[1:], LEAD[3:], TEXT, "Vertrouwelijk", "knie", NAME):
        assert secret not in told, [line for line in lines if secret in line]


def test_a_leads_message_and_its_answer_leave_no_trace_in_the_log(studio: Studio, log: _Everything) -> None:
    studio.system.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text=TEXT, name=NAME)
    studio.system.settle()
    assert studio.system.column(f"select name from lead where phone = '{LEAD}'") == [NAME]
    assert any("pilar" in line for line in log.lines)
    assert studio.system.column("select count(*) from message where origin like 'rule:%%'") > [0], "it was answered"
    _assert_silent(log.lines)


def test_nor_does_work_that_the_database_refuses(studio: Studio, log: _Everything) -> None:
    with studio.system.database.engine.begin() as connection:  # as the owner of the tables
        connection.exec_driver_sql("alter table message add constraint no_texts check (length(text) < 9) not valid")
    studio.system.sandbox.receive_whatsapp(to=studio.number, sender=LEAD, text=TEXT, name=NAME)
    studio.system.sandbox.wait_idle(20)
    studio.system._drain_once(None)
    assert any("no_texts" in line for line in log.lines), "the log says what was wrong"
    _assert_silent(log.lines)
    errors = studio.system.column("select error from queue_log where error is not null")
    assert any("no_texts" in one for one in errors)
    _assert_silent(errors)


def test_the_filter_masks_tracebacks_as_well() -> None:
    def fail() -> Any:
        raise ValueError(
            f"could not send to {LEAD}\nDETAIL: Failing row contains ({TEXT},\n{TEXT}).\n[parameters: ({TEXT!r},)]"
        )

    handler = _Everything()
    handler.addFilter(MaskingFilter())
    logger = logging.Logger("pilar.test")  # noqa: LOG001 - one that is nobody else's
    logger.addHandler(handler)
    try:
        fail()
    except ValueError:
        logger.exception("no luck with %s", LEAD)
    [line] = handler.lines
    assert "ValueError: could not send to …32" in line
    assert "in fail" in line
    _assert_silent(handler.lines)
