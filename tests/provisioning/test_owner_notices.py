"""What owners are told by mail beside what they pay: once per cause, and not when there is no reason any more."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from pilar.backplane.facts import Cause, Event, Job, emit, enqueue
from pilar.backplane.notices import IncidentRequested, incident
from pilar.database.engine import Scope
from pilar.ids import new_id
from pilar.messaging.events import TemplateChanged
from pilar.provisioning.events import OwnerNotice
from pilar.provisioning.owner_mails import Notice, compose, plan_in_words
from pilar.provisioning.owner_notices import restriction
from pilar.workspaces.plans import Plan
from tests.fixtures.system import System

OWNER = "anna@studio.example"


@pytest.fixture
def studio(system: System) -> UUID:
    system.sandbox.sign_up("Studio Noord", email=OWNER)
    system.settle()
    found: UUID = system.column("select workspace_id from workspace")[0]
    return found


def _tell(system: System, *events: Event) -> None:
    with system.database.transaction(Scope.fleet()) as connection:
        emit(connection, system.app.clocks, events, Cause.new())
    system.settle()


def _mails(system: System, words: str) -> list[dict[str, Any]]:
    return [mail for mail in system.sandbox.mails(OWNER) if words in mail["subject"]]


def _limited(studio: UUID, code: str) -> Event:
    request = IncidentRequested(
        dedupe_key=f"whatsapp:{code}:{studio}", title="Limited", description="So.", severity="high", component="x"
    )
    return incident(request, key=f"{code}:{new_id()}", workspace_id=studio)


def test_the_mail_about_a_smaller_plan_says_that_its_people_stay() -> None:
    mail = compose("plan_changed", Notice("Anna", "Noord", detail=plan_in_words(Plan.BASIC, 5)))
    assert "the 5 who are there stay, and nobody can be added" in mail.text
    assert plan_in_words(Plan.PRO, 5) == "PRO"


def test_restrictions_and_rejections_are_told_once_per_cause(system: System, studio: UUID) -> None:
    _tell(system, _limited(studio, "131048"), _limited(studio, "131048"))
    _tell(system, _limited(studio, "131048"), _limited(studio, "131008"))
    (mail,) = _mails(system, "WhatsApp restricts the number of Studio Noord")
    assert "no more marketing" in mail["text"]

    with system.database.transaction(Scope.fleet()) as connection:
        template = connection.exec_driver_sql(
            "update message_template set state = 'rejected', reason = 'INVALID_FORMAT'"
            " where id = (select id from message_template order by id limit 1) returning id, name"
        ).one()
        other = connection.exec_driver_sql("select id from message_template order by id desc limit 1").scalar_one()
    events = [
        Event(TemplateChanged(template_id=which, state=state), key=f"{which}:{state}", aggregate=("template", "1"),
              workspace_id=studio)
        for which, state in ((template.id, "rejected"), (other, "rejected"), (other, "approved"))
    ]  # fmt: skip
    _tell(system, *events)
    # The other was approved meanwhile, as its row says: nobody is told what is so no more.
    (mail,) = _mails(system, "WhatsApp has rejected")
    assert template.name in mail["text"]
    assert "INVALID_FORMAT" in mail["text"]


@pytest.mark.slow
def test_an_invoice_that_was_paid_before_its_mail_went_out_is_not_asked_for(system: System, studio: UUID) -> None:
    (paid,) = system.sandbox.objects("stripe.invoice")
    notice = OwnerNotice(kind="payment_failing", occasion=paid["id"])
    with system.database.transaction(Scope.fleet()) as connection:
        enqueue(connection, system.app.clocks, [Job(payload=notice, key="late", workspace_id=studio)], Cause.new())
    system.settle()
    assert _mails(system, "has failed") == []
    assert system.column("select result ->> 'skipped' from queue_log where result ->> 'skipped' like 'the invoice%%'") \
        == ["the invoice is paid by now"]  # fmt: skip


@pytest.mark.slow
def test_without_a_mail_server_nothing_fails(system: System, studio: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(system.app.settings.__dict__, "smtp_url", None)
    _tell(system, _limited(studio, "131048"))
    assert system.column("select count(*) from dead_letter") == [0]
    assert _mails(system, "WhatsApp restricts") == []


def test_what_restricts_a_number_is_named_and_nothing_else_is() -> None:
    assert restriction("131048")
    assert restriction("131031")
    assert restriction("131026") is None
    assert restriction("nonsense") is None
