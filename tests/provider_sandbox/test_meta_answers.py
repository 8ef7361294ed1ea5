"""Meta answers as it is told to: which messages, how often, on the call or by a status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from provider_sandbox.meta.codes import CODES
from provider_sandbox.testing import RunningSandbox
from tests.provider_sandbox.graph import LEAD, STUDIO, Studio, statuses

OTHER = "+31687654321"
Told = Callable[[], list[dict[str, Any]]]


def told_about(bodies: list[dict[str, Any]], callback: str) -> list[tuple[str, int | None]]:
    return [
        (one["status"], one["errors"][0]["code"] if "errors" in one else None)
        for one in statuses(bodies)
        if one["biz_opaque_callback_data"] == callback
    ]


def test_every_code_is_told_where_meta_tells_it(sandbox: RunningSandbox, studio: Studio, told: Told):
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hoi")
    for code, known in CODES.items():
        sandbox.play_answer(code, to=LEAD)
        answer = studio.send(LEAD, biz_opaque_callback_data=f"code {code}")
        assert ("error" in answer) is known.on_call, code
        if known.on_call:
            assert answer["error"]["code"] == code
            assert told_about(told(), f"code {code}") == []
        else:
            assert told_about(told(), f"code {code}") == [("failed", code)]
    refused = {key for kind, key in sandbox.effects_by_key() if kind == "meta.message_sent"}
    assert refused == {f"code {code}" for code, known in CODES.items() if not known.on_call}


def test_an_answer_is_used_up_by_the_messages_it_is_for(sandbox: RunningSandbox, studio: Studio):
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hoi")
    sandbox.play_answer(131016, sender=STUDIO, times=2)
    sandbox.play_answer(131057, to=OTHER)
    assert [studio.code(OTHER), studio.code(OTHER), studio.code(), studio.code()] == [131057, 131016, 131016, 0]
    assert sandbox.played_answers() == []

    sandbox.play_answer(190, times=5)
    sandbox.play_answer(4, sender=STUDIO, to=LEAD, times=5)
    assert [studio.code(), studio.code(OTHER)] == [4, 190]
    sandbox.play_answer(4, sender=STUDIO, to=LEAD, times=0)
    assert [(one["code"], one["left"]) for one in sandbox.played_answers()] == [(190, 4)]
    sandbox.clear_answers()
    assert studio.code() == 0


def test_what_is_played_may_be_told_the_other_way_and_followed_by_a_delivery(
    sandbox: RunningSandbox, studio: Studio, told: Told
):
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hoi")
    sandbox.play_answer(130429, how="status", delivered=True, details="too quick")
    assert "messages" in studio.send(biz_opaque_callback_data="late")
    assert told_about(told(), "late") == [("failed", 130429), ("delivered", None)]
    failed = next(one for one in statuses(told()) if one["status"] == "failed")
    assert failed["errors"][0]["error_data"]["details"] == "too quick"
    sandbox.play_answer(131026, how="call")
    assert studio.code() == 131026


@pytest.mark.parametrize("wrong", [{"code": "x"}, {"code": 4, "times": -1}, {"code": 4, "to": "me"}, {"kode": 4}])
def test_what_can_not_be_played_is_refused(sandbox: RunningSandbox, wrong: dict[str, Any]):
    assert sandbox.client.put("/control/meta/answers", json=wrong).status_code == 422
