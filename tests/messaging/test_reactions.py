"""Each code that a provider refuses a message with: what is done about it, and what the lead gets in the end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from pilar.backplane.facts import Cause
from pilar.database.engine import Scope
from pilar.messaging import store
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.messaging.reactions import ACTS
from pilar.providers.reactions import Reaction
from pilar.providers.twilio import errors as twilio
from pilar.providers.whatsapp import errors as whatsapp
from pilar.workspaces import store as workspaces
from tests.fixtures.opened import Studio

Sent = list[tuple[Any, ...]]


def _lead(studio: Studio, phone: str) -> UUID:
    """Somebody in the Netherlands who agreed to be written to."""
    with studio.system.database.transaction(Scope.fleet()) as connection:
        values = {"phone": phone, "name": "Bo", "language": "nl", "country": "NL", "lifecycle": "lead"}
        now = studio.system.business.now()
        lead = store.ensure_lead(
            connection, studio.id, phone.removeprefix("+"), {**values, "source": "import", "created_at": now}
        )
    studio.agrees(lead)
    return lead


def _nudge(studio: Studio, lead: UUID, cause: str, **changes: Any) -> None:
    usual: dict[str, Any] = {
        "lead_id": lead, "category": "marketing", "origin": "coach:test", "cause": cause, "text": "Goedemorgen!",
        "template": "coach_nudge", "parameters": ("Bo", "Studio Noord"),
    }  # fmt: skip
    studio.run(queue_message, studio.id, NewMessage(**(usual | changes)), Cause.new())


def _of(studio: Studio, lead: UUID, columns: str = "state, error_code") -> Sent:
    rows = studio.system.rows(
        f"select {columns} from message where lead_id = '{lead}' and direction = 'out' and left(origin, 5) = 'coach'"
        " order by id"
    )
    return [tuple(row) for row in rows]


def _allow_sms(studio: Studio) -> None:
    with studio.system.database.transaction(Scope.fleet()) as connection:
        version, document = workspaces.load_configuration(connection, studio.id)
        changed = document.model_dump(mode="json")
        changed["operator"]["policies"]["sms"]["fallback"] = True
        connection.execute(
            text("update workspace_configuration set document = cast(:d as jsonb) where version = :v"),
            {"d": type(document).model_validate(changed).model_dump_json(), "v": version},
        )


def _arrives(studio: Studio, lead: UUID, code: str) -> None:
    assert _of(studio, lead) == [("read", None)]


def _fails(studio: Studio, lead: UUID, code: str) -> None:
    assert _of(studio, lead) == [("failed", code)]


def _goes_again(studio: Studio, lead: UUID, code: str) -> None:
    assert _of(studio, lead) == [("failed", code), ("read", None)]


def _waits(studio: Studio, lead: UUID, code: str) -> None:
    assert _of(studio, lead) == [("failed", code), ("held", None)]


def _dies(studio: Studio, lead: UUID, code: str) -> None:
    _fails(studio, lead, code)
    assert len(studio.system.column("delete from dead_letter returning 1")) == 1


def _is_blocked(studio: Studio, lead: UUID, code: str) -> None:
    _fails(studio, lead, code)
    _nudge(studio, lead, f"after:{code}")
    assert _of(studio, lead, "verdict -> 'decision' -> 'reasons' -> 0 ->> 'code'")[-1] == ("country_blocked",)


def _is_frozen(studio: Studio, lead: UUID, code: str) -> None:
    _fails(studio, lead, code)
    _nudge(studio, lead, f"after:{code}")
    assert _of(studio, lead, "verdict -> 'decision' -> 'reasons' -> 0 ->> 'code'")[-1] == ("marketing_frozen",)


def _opts_out(studio: Studio, lead: UUID, code: str) -> None:
    _fails(studio, lead, code)
    assert studio.system.column(f"select scope from consent where lead_id = '{lead}' and not granted") == ["marketing"]


def _is_counted(studio: Studio, lead: UUID, code: str) -> None:
    _fails(studio, lead, code)
    assert studio.system.column(f"select undelivered from lead_reach where lead_id = '{lead}'") == [1]


def _is_settled_by_doubt(studio: Studio, lead: UUID, code: str) -> None:
    assert _of(studio, lead, "state") == [("unknown",)], "marketing of unknown fate is not risked twice"
    studio.system.column("delete from dead_letter returning 1")


EXPECTED: dict[Reaction, Callable[[Studio, UUID, str], None]] = {
    Reaction.SLOW_BUCKET: _arrives,
    Reaction.REQUEUE_PAIR: _arrives,
    Reaction.BACK_OFF: _arrives,
    Reaction.PLAN_AS_TEMPLATE: _fails,  # a template is no free text: nothing is left to be tried
    Reaction.COUNT_UNREACHABLE: _is_counted,
    Reaction.WAIT_A_DAY: _waits,
    Reaction.OPTED_OUT: _opts_out,
    Reaction.SKIP: _fails,
    Reaction.FREEZE_MARKETING: _is_frozen,
    Reaction.OUR_FAULT: _dies,
    Reaction.RESYNC_TEMPLATES: _goes_again,
    Reaction.FIX_CONTENT: _dies,
    Reaction.AWAIT_TEMPLATE: _goes_again,
    Reaction.RETIRE_TEMPLATE: _goes_again,
    Reaction.MEDIA_AGAIN: _goes_again,
    Reaction.AWAIT_PAYMENT: _waits,
    Reaction.STOP_WORKSPACE: _waits,
    Reaction.BLOCK_COUNTRY: _is_blocked,
    Reaction.RECONNECT: _waits,
    Reaction.REGISTER_AGAIN: _goes_again,
}
"""What becomes of a nudge, and of what it leads to; an approved sibling is there for each template."""

BY_SMS: dict[Reaction, Sent] = {
    Reaction.ACCOUNT_REFUSED: [("failed",)],
    Reaction.BACK_OFF: [("delivered",)],
    Reaction.NO_SMS: [("failed",)],
    Reaction.OPTED_OUT_OF_ALL: [("failed",)],
    Reaction.TRY_LATER: [("failed",), ("held",)],
    Reaction.PLAN_AS_TEMPLATE: [("failed",), ("delivered",)],
    Reaction.DAILY_CAP: [("failed",), ("held",)],
    Reaction.SKIP: [("failed",)],
}

# Some codes are told of a message after it was taken, whatever their class: of those nothing is left to be tried.
_TOLD_LATER = {"63018": [("failed",)]}
_DOUBTFUL = {"1", "2", "131000", "131016", "131057"}
_CODES = [code for code in whatsapp.REACTIONS if not 200 < int(code) < 299]


def test_every_code_has_a_row_here_and_every_reaction_is_acted_on() -> None:
    assert set(ACTS) == set(Reaction)
    assert set(whatsapp.REACTIONS.values()) == set(EXPECTED)
    assert set(twilio.REACTIONS.values()) == set(BY_SMS)


@pytest.mark.slow
def test_each_code_of_whatsapp_is_acted_on(studio: Studio) -> None:
    system = studio.system
    for place, code in enumerate(_CODES):
        phone = f"+3168700{place:04d}"
        lead = _lead(studio, phone)
        how = "call" if whatsapp.REACTIONS[code] is Reaction.OUR_FAULT else None
        system.sandbox.play_answer(int(code), to=phone, how=how)
        _nudge(studio, lead, f"nudge:{code}")
        expected = _is_settled_by_doubt if code in _DOUBTFUL else EXPECTED[whatsapp.REACTIONS[code]]
        try:
            expected(studio, lead, code)
        except AssertionError as error:
            raise AssertionError(f"code {code} ({whatsapp.REACTIONS[code]}): {error}") from error
        with system.database.transaction(Scope.fleet()) as connection:
            for statement in (
                "delete from number_standing", "delete from country_block", "delete from send_bucket",
                "update message_template set state = 'approved' where state <> 'draft'",
                "update message set state = 'cancelled' where state = 'held'",
                "delete from limit_counter",
            ):  # fmt: skip
                connection.execute(text(statement))
        system.sandbox.clear_answers()
    with_incident = {"131048", "131031", "190", "131042", "130497", "132016", "131009", "132007"}
    found = system.column("select payload ->> 'dedupe_key' from autopilot_event where type = 'incident.requested'")
    assert with_incident <= {key.split(":")[1] for key in found}


@pytest.mark.slow
def test_each_code_of_twilio_is_acted_on_and_an_sms_reaches_who_whatsapp_does_not(studio: Studio) -> None:
    system = studio.system
    _allow_sms(studio)
    for place, code in enumerate(twilio.REACTIONS):
        phone = f"+3168800{place:04d}"
        lead = _lead(studio, phone)
        system.sandbox.play_twilio_answer(int(code), path="*/Messages*", to=phone)
        with system.database.transaction(Scope.fleet()) as connection:
            values = {"w": studio.id, "l": lead, "now": system.business.now()}
            connection.execute(text("insert into lead_reach values (:w, :l, 3, :now, 0, null, null)"), values)
        _nudge(studio, lead, f"nudge:{code}")
        reaction = twilio.REACTIONS[code]
        assert _of(studio, lead, "state") == _TOLD_LATER.get(code, BY_SMS[reaction]), (code, reaction)
        system.sandbox.clear_twilio_answers()
        if reaction is Reaction.OPTED_OUT_OF_ALL:
            assert system.column(f"select scope from consent where lead_id = '{lead}' and not granted") == ["all"]
        if reaction is Reaction.NO_SMS:
            assert system.column(f"select sms_refused from lead_reach where lead_id = '{lead}'") == [code]
    assert system.column("select error from dead_letter") == []


def test_who_whatsapp_cannot_reach_gets_an_sms_where_the_studio_wants_that_and_is_billed(studio: Studio) -> None:
    system = studio.system
    phone = "+31687654399"
    lead = _lead(studio, phone)
    _allow_sms(studio)
    system.sandbox.play_answer(131026, to=phone, times=3)
    for day in range(3):
        _nudge(studio, lead, f"nudge:{day}")
    assert _of(studio, lead, "channel, state, error_code, cost_micro, cost_currency") == [
        ("whatsapp", "failed", "131026", 140_000, "EUR"),
        ("whatsapp", "failed", "131026", 140_000, "EUR"),
        ("whatsapp", "failed", "131026", 140_000, "EUR"),
        ("sms", "delivered", None, 100_000, "EUR"),
    ]
    sms = [one for one in system.sandbox.objects("twilio.message") if one["to"] == phone]
    assert len(sms) == 1
    assert "Goedemorgen!" in sms[0]["body"]
    assert "STOP" in sms[0]["body"]
    number = system.column("select phone_number from integration where provider = 'twilio'")[0]
    system.sandbox.receive_sms(to=number, sender=phone, text="Genoeg nu!")
    system.settle()
    assert system.column("select state from refusal_question") == ["person"], "it may be a refusal"
    system.sandbox.receive_sms(to=number, sender=phone, text="STOP")
    system.settle()
    told = system.rows("select state, found, told_by from refusal_question")
    assert [tuple(row) for row in told] == [("settled", "all", "wording")]
    _nudge(studio, lead, "nudge:after")
    assert _of(studio, lead, "state")[-1] == ("refused",)
    system.travel_to(system.business.now() + timedelta(minutes=1))
    assert system.column("select state from effect where kind = 'twilio.send_sms'") == ["confirmed"]
