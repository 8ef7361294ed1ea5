"""What WhatsApp wants of a studio: each thing told by itself, what blocks is waited for, and what only limits is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid
from pilar.messaging.purposes import best_of, purpose_of, purposes_of
from pilar.providers.whatsapp.standing import AccountThere, Trouble, WhatsAppStanding, read
from pilar.provisioning import mending
from pilar.provisioning.prerequisites import TITLES, judge, waiting_for
from tests.fixtures.system import System
from tests.provisioning.test_own_channel import OWN, link_of, press, reason, studio_of

WELL = WhatsAppStanding("APPROVED", "verified", "Noord", "APPROVED", is_verified=True, troubles=())


@dataclass(frozen=True)
class Text:
    """A template's row."""

    name: str
    language: str
    state: str
    body: str = "Hi {{1}}, this is {{2}}."
    reason: str | None = None
    adopted: bool = False
    unusable: str | None = None


def held(code: int, entity: str, may_send: str | None) -> Trouble:
    return Trouble(code, f"Code {code} it is.", None, entity, may_send)


def standing(**changes: Any) -> WhatsAppStanding:
    return WhatsAppStanding(**{**vars(WELL), **changes})


@pytest.mark.parametrize(
    ("changes", "name", "state", "waits_on", "holds_up"),
    [
        ({}, "business_verified", "met", None, False),
        ({"verification": "not_verified"}, "business_verified", "missing", "studio", False),
        ({"verification": "pending"}, "business_verified", "pending", "meta", False),
        ({"verification": "failed"}, "business_verified", "rejected", "studio", False),
        ({"verification": None}, "business_verified", "unknown", None, False),
        ({"number_status": "BANNED"}, "number_verified", "rejected", "studio", True),
        ({"is_verified": False}, "number_verified", "missing", "us", True),
        ({"name_status": "PENDING_REVIEW"}, "display_name_approved", "pending", "meta", False),
        ({"name_status": "DECLINED"}, "display_name_approved", "rejected", "studio", True),
        ({"name_status": "SOMETHING_NEW"}, "display_name_approved", "unknown", None, False),
        ({"troubles": (Trouble(141006, "It fails.", "Add one."),)}, "payment_method", "missing", "studio", True),
        ({"troubles": (Trouble(141014, "Banned.", None),)}, "account_approved", "rejected", "studio", True),
        ({"review": "PENDING"}, "account_approved", "pending", "meta", False),
        ({"troubles": (held(141010, "BUSINESS", "LIMITED"),)}, "business_verified", "missing", "studio", False),
        ({"troubles": (held(368, "WABA", "LIMITED"),)}, "account_approved", "rejected", "studio", False),
        ({"troubles": (held(141099, "APP", "LIMITED"),)}, "webhook_subscribed", "unknown", None, False),
        ({"troubles": (held(141099, "BUSINESS", "BLOCKED"),)}, "business_verified", "unknown", "us", True),
        ({"troubles": (held(141099, "", None),)}, "account_approved", "unknown", None, False),
    ],
)
def test_each_thing_is_judged_by_itself(
    changes: dict[str, Any], name: str, state: str, waits_on: str | None, holds_up: bool
) -> None:
    found = judge(standing(**changes), is_subscribed=True, purposes=[])
    assert [one.name for one in found] == list(TITLES)
    one = next(one for one in found if one.name == name)
    assert (one.state, one.waits_on, one.holds_up) == (state, waits_on, holds_up)
    assert all(other.state == "met" for other in found if other.name != name)
    assert one.says.endswith(".")
    assert (waiting_for(found) is not None) is holds_up


def test_what_meta_holds_is_added_to_what_a_line_says_by_itself() -> None:
    troubles = (
        held(141099, "BUSINESS", "LIMITED"),
        held(141010, "BUSINESS", "LIMITED"),
        held(141006, "WABA", "BLOCKED"),
    )
    lines = {
        one.name: one
        for one in judge(standing(troubles=troubles, verification="pending"), is_subscribed=True, purposes=[])
    }
    business = lines["business_verified"]
    assert (business.state, business.waits_on) == ("pending", "meta")
    assert "we don't know yet (code 141099): Code 141099 it is." in business.says
    assert "141010" not in business.says, "that is what the line says already"
    assert lines["payment_method"].holds_up
    account = AccountThere("APPROVED", "pending", "BLOCKED", troubles)
    assert account.is_only_unpaid, "what only limits does not shut it out"


def test_of_several_waits_the_owners_comes_first() -> None:
    unwell = standing(name_status="DECLINED", is_verified=False)
    found = judge(unwell, is_subscribed=False, purposes=[])
    assert waiting_for(found) is not None
    on, says, link = waiting_for(found) or ("", "", "")
    assert (on, "declined" in says, link) == ("studio", True, None)
    on, says, _ = waiting_for(judge(WELL, is_subscribed=False, purposes=[])) or ("", "", "")
    assert (on, "does not reach us" in says) == ("us", True)


def test_an_approved_sibling_serves_a_purpose_and_one_that_takes_other_values_does_not() -> None:
    rejected = Text("welcome_lead", "nl", "rejected", reason="TAG_CONTENT_MISMATCH")
    other_wording = Text("welcome_lead_v2", "nl", "approved")
    other_values = Text("welcome_lead_v3", "nl", "approved", body="Hi {{1}}.")
    english = Text("welcome_lead", "en", "approved")
    assert {purpose_of(one.name) for one in (rejected, other_wording, other_values)} == {"welcome_lead"}

    def best(*texts: Any) -> Any:
        return best_of(texts, "welcome_lead", "nl")

    assert best(rejected, english) is english
    assert best(rejected, english, other_wording) is other_wording, "the lead's language before its own name"
    assert best(rejected, other_values) is rejected
    assert best(Text("welcome_lead", "nl", "approved"), other_wording).name == "welcome_lead"
    american = Text("welcome_lead", "en_US", "approved", adopted=True)
    assert best(american, english, Text("welcome_lead", "de", "approved")) is english
    assert best(Text("welcome_lead", "de", "approved"), american) is american, "as the language it begins with"
    assert best(english, Text("welcome_lead", "nl_BE", "approved")).language == "nl_BE"
    assert best() is None
    assert best_of([other_wording], "unheard_of", "nl") is None
    unserved: Any = [rejected, Text("reminder", "nl", "approved")]
    line = judge(WELL, is_subscribed=True, purposes=purposes_of(unserved))[-1]
    assert (line.state, line.waits_on, line.holds_up) == ("rejected", "studio", True)
    assert "TAG_CONTENT_MISMATCH" in line.says
    theirs: Any = [*unserved[1:], Text("theirs", "nl", "rejected", adopted=True)]
    assert judge(WELL, is_subscribed=True, purposes=purposes_of(theirs))[-1].state == "met", "it is not ours to mend"
    unfilled: Any = [*unserved, Text("welcome_lead", "en_US", "approved", adopted=True, unusable="A header.")]
    assert judge(WELL, is_subscribed=True, purposes=purposes_of(unfilled))[-1].state == "rejected"
    deleted = Text("welcome_lead", "nl", "deleted")
    gone: Any = [deleted, *unserved[1:]]
    line = judge(WELL, is_subscribed=True, purposes=purposes_of(gone))[-1]
    assert (line.state, line.waits_on, line.holds_up) == ("missing", "studio", True)
    assert line.says.startswith(
        "WhatsApp has no text for welcome_lead any more; gone: welcome_lead (nl). Submit it again"
    )
    disabled: Any = [Text("welcome_lead", "nl", "disabled"), *unserved[1:]]
    assert "Submit" not in judge(WELL, is_subscribed=True, purposes=purposes_of(disabled))[-1].says
    again: Any = [*gone, Text("welcome_lead_v2", "nl", "pending")]
    assert judge(WELL, is_subscribed=True, purposes=purposes_of(again))[-1].state == "pending"
    served: Any = [*unserved, english]
    assert judge(WELL, is_subscribed=True, purposes=purposes_of(served))[-1].state == "met"


def test_what_meta_says_is_read_also_where_it_says_little() -> None:
    number = {"id": "1", "code_verification_status": "VERIFIED"}
    assert read({"id": "2"}, number) == WhatsAppStanding(None, None, None, None, is_verified=True, troubles=())
    errors = [{"error_code": 141006}, {"error_description": "no code"}]
    entities = [{"entity_type": "WABA"}, {"entity_type": "BUSINESS", "can_send_message": "LIMITED", "errors": errors}]
    told = read({"health_status": {"entities": entities}}, number)
    assert told.troubles == (Trouble(141006, "Meta gives code 141006.", None, "BUSINESS", "LIMITED"),)


def lines(system: System) -> dict[str, str]:
    return dict(system.rows("select name, state from whatsapp_prerequisite"))


def test_a_studio_waits_for_what_blocks_and_goes_on_when_it_is_mended(system: System) -> None:
    system.sandbox.sign_up(metadata={"own_number": OWN})
    system.settle()
    [account] = system.column("select external_id from integration where provider = 'whatsapp'")
    press(system, "code", method="sms")
    system.sandbox.decide_on_business(account, payment=False, verification="FAILED")
    press(system, "verify", code=system.sandbox.codes_at(OWN)[-1])
    assert reason(system).startswith("Add a payment method")
    assert lines(system) == dict.fromkeys(TITLES, "met") | {
        "payment_method": "missing",
        "business_verified": "rejected",
    }
    page = httpx.get(link_of(system), trust_env=False).text
    assert 'data-prerequisite="payment_method" data-state="missing"' in page
    assert "writes to 250 people a day" in page
    system.sandbox.decide_on_business(account, payment=True)
    # What Meta tells has it asked again, without anybody's click.
    system.sandbox.decide_on_number(OWN, name="REJECTED")
    system.settle()
    assert "was declined by Meta (name not allowed)" in reason(system)
    system.sandbox.decide_on_number(OWN, name="DEFERRED")
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    assert lines(system)["business_verified"] == "rejected", "it only limits"
    assert lines(system)["display_name_approved"] == "pending"
    system.sandbox.decide_on_number(OWN, name="APPROVED")
    system.settle()
    assert lines(system)["display_name_approved"] == "met", "an open studio's lines are kept fresh as well"


@pytest.mark.slow
def test_a_purpose_whose_texts_are_all_rejected_waits_until_one_is_mended(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provider_sandbox.meta.templates.REFUSED", "Antwoord me")
    system.sandbox.sign_up()
    system.settle()
    assert system.column("select state from workspace") == ["active"], "its English sibling is approved"
    assert system.rows("select name, language from message_template where state = 'rejected'") == [
        ("coach_nudge", "nl")
    ]
    studio = studio_of(system)
    mended = "Hoi {{1}}, je coach bij {{2}} hier: klaar voor een goede dag? Laat het weten."

    def mend(language: str, body: str) -> None:
        with system.database.transaction(Scope.fleet()) as connection:
            mending.mend(connection, system.app.defaults, studio, "coach_nudge", language, body, "test")

    with pytest.raises(Conflict, match="is approved"):
        mend("en", mended)
    with pytest.raises(Invalid, match="same variables"):
        mend("nl", "Hoi {{1}}!")
    mend("nl", mended)
    system.settle()
    assert system.rows("select state, body from message_template where name = 'coach_nudge' and language = 'nl'") == [
        ("approved", mended)
    ]
    assert system.sandbox.effects()["meta.template_edited"] == 1


def test_an_owner_mends_the_only_text_of_a_purpose_on_the_set_up_page(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provider_sandbox.meta.templates.REFUSED", "{{2}} works")
    system.sandbox.sign_up(country="US", phone="+12125550199", time_zone="America/New_York")
    system.settle()
    assert "WhatsApp has rejected number_test (en): INVALID_FORMAT" in reason(system)
    assert system.column("select state from workspace") == ["provisioning"]
    wrong = press(system, "template", name="number_test", language="en", body="Hi {{1}}.")
    assert "the same variables as before" in wrong.text
    press(system, "template", name="number_test", language="en", body="Hi {{1}}, this is {{2}}, and all is well here.")
    assert system.column("select state from workspace") == ["active"]
    assert lines(system)["templates_approved"] == "met"
