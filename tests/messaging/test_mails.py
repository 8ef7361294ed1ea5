"""E-mail to leads whom WhatsApp can't reach: only to who agreed to it, ended by one click, and never twice by mistake."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from pilar.backplane.facts import Cause
from pilar.database.engine import Scope
from pilar.errors import Invalid, NotFound
from pilar.messaging import consent, fall_backs, leads, store, unsubscribing
from pilar.messaging.fall_backs import FallBacks
from pilar.messaging.invariants import INVARIANTS
from pilar.messaging.leads import Changes
from pilar.messaging.mails import Letter, body_of, subject_of
from pilar.providers.email.client import Letterhead
from tests.fixtures.opened import Studio
from tests.fixtures.work import Bench
from tests.messaging.test_lead_import import opened
from tests.messaging.test_people import PEOPLE, in_one, queued, somebody
from tests.messaging.test_reactions import _lead, _nudge, _of

ADDRESS = "Bo.Voorbeeld@mail.example"
CHANNELS = FallBacks(sms=False, email=True, postal_address="Keizersgracht 1\n1015 CN Amsterdam")
WHY = "channel, state, verdict -> 'decision' -> 'reasons' -> -1 ->> 'code'"


def _unreachable(studio: Studio, phone: str, email: str = ADDRESS, *, agrees: bool = True) -> UUID:
    """Somebody whom WhatsApp does not reach, and who agreed to marketing and, if so, to e-mail."""
    lead = _lead(studio, phone)
    with studio.system.database.transaction(Scope.fleet()) as connection:
        people, clocks = studio.system.app.people, studio.system.app.clocks
        leads.change(connection, clocks, people, studio.id, lead, Changes(email=email), actor="owner:1")
        if agrees:
            leads.allow(
                connection, clocks, people, studio.id, lead, "email", True, "The form of January", actor="owner:1"
            )
        connection.execute(
            text("insert into lead_reach (workspace_id, lead_id, undelivered, unreachable_since, marketing_waits)"
                 " values (:w, :l, 3, :now, 0)"),
            {"w": studio.id, "l": lead, "now": clocks.business.now()},
        )  # fmt: skip
    return lead


def _choose(studio: Studio) -> None:
    studio.run(fall_backs.choose, studio.id, CHANNELS, actor="owner:1")


def test_who_agreed_to_mail_gets_one_with_a_link_that_ends_it_in_one_click(studio: Studio) -> None:
    system = studio.system
    lead, silent = _unreachable(studio, "+31687654301"), _unreachable(studio, "+31687654302", agrees=False)
    _nudge(studio, lead, "nudge:0")
    assert _of(studio, lead, WHY) == [("whatsapp", "refused", "unreachable")], "not before the studio has chosen it"
    _choose(studio)
    for one in (lead, silent):
        _nudge(studio, one, "nudge:1" if one == lead else "nudge:silent", text=None)
    assert _of(studio, silent, WHY) == [("whatsapp", "refused", "email_no_consent")]
    assert _of(studio, lead, "channel, state, cost_micro")[1:] == [("email", "accepted", 0)]

    (mail,) = system.sandbox.mails(ADDRESS)
    head, owner = mail["headers"], system.column("select email from person where not is_founder")[0]
    link = head["list-unsubscribe"].strip("<>")
    assert (
        link.startswith(f"{system.public_url}/mail/") and head["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    )
    assert head["from"].startswith("Studio Noord <") and head["reply-to"] == owner
    assert head["message-id"].startswith(f"<lead.{_of(studio, lead, 'id')[1][0]}@")
    assert link in mail["text"] and "1015 CN Amsterdam" in mail["text"] and "Bo" in mail["text"]
    assert "WhatsApp" in mail["text"] and mail["subject"] in mail["text"].replace("\n", " ")

    page = httpx.get(link, trust_env=False)
    assert 'data-mail="on"' in page.text and "Geen e-mail meer van Studio Noord" in page.text
    assert store_consents(studio, lead)["email"] is True, "looking changes nothing"
    for _ in range(2):
        done = httpx.post(link, data={"List-Unsubscribe": "One-Click"}, trust_env=False)
        assert done.status_code == 200 and 'data-mail="off"' in done.text
    assert store_consents(studio, lead) == {"marketing": True, "email": False}
    _nudge(studio, lead, "nudge:2")
    assert _of(studio, lead, WHY)[-1] == ("whatsapp", "refused", "email_opted_out")
    httpx.post(link, data={"wish": "again"}, trust_env=False)
    _nudge(studio, lead, "nudge:3")
    assert _of(studio, lead, "channel, state")[-1] == ("email", "accepted")
    assert httpx.post(f"{link[:-3]}AAA", trust_env=False).status_code == 404
    with system.database.transaction(Scope.fleet()) as connection:
        assert [one.name for one in INVARIANTS if connection.execute(text(one.query)).all()] == []


def store_consents(studio: Studio, lead: UUID) -> dict[str, bool]:
    with studio.system.database.transaction(Scope.fleet()) as connection:
        return store.consents(connection, studio.id, lead)


def test_marketing_of_unknown_fate_is_not_sent_again_and_a_dead_address_is_written_to_no_more(studio: Studio) -> None:
    system = studio.system
    _choose(studio)
    lead = _unreachable(studio, "+31687654301")
    system.sandbox.set_faults(1, [{"provider": "mail", "kind": "disconnect", "when": "after", "most": 2}])
    _nudge(studio, lead, "nudge:1")
    assert _of(studio, lead, "channel, state") == [("email", "unknown")]
    assert len(system.sandbox.mails(ADDRESS)) == 1
    _nudge(studio, lead, "reminder:1", category="utility")
    assert _of(studio, lead, "channel, state")[-1] == ("email", "accepted")
    names = [mail["headers"]["message-id"] for mail in system.sandbox.mails(ADDRESS)]
    assert len(names) == 3 and names[1] == names[2], "once more, and known as the same mail"
    system.sandbox.clear_faults()

    gone = _unreachable(studio, "+31687654303", "nobody@mail.example")
    _nudge(studio, gone, "nudge:gone")
    assert _of(studio, gone, "channel, state, error_code") == [("email", "failed", "no_mailbox")]
    _nudge(studio, gone, "nudge:gone:2")
    assert _of(studio, gone, WHY)[-1] == ("whatsapp", "refused", "email_no_address")
    with system.database.transaction(Scope.fleet()) as connection:
        values = (connection, system.app.clocks, system.app.people, studio.id, gone)
        row = leads.change(*values, Changes(email="Bo@MAIL.example"), actor="owner:1")
    assert (row.email, row.email_refused) == ("Bo@mail.example", None), "another address is another try"
    system.column("delete from dead_letter returning 1")


def test_who_wants_no_mail_has_what_is_queued_by_mail_withdrawn_and_nothing_else(bench: Bench) -> None:
    studio = opened(bench)
    lead = somebody(bench, studio)
    by_mail, by_chat = (queued(bench, studio, lead, cause) for cause in ("a", "b"))
    in_one(bench, store.change_message, studio, by_mail, {"channel": "email"})
    place = (bench.clocks, PEOPLE, studio, lead, "email")
    assert in_one(bench, leads.allow, *place, True, "a form", actor="owner:1") is True
    path = in_one(bench, unsubscribing.link_of, PEOPLE, studio, by_mail)
    token = path.removeprefix(unsubscribing.PATH)
    assert in_one(bench, unsubscribing.ask, bench.clocks, PEOPLE, token, "stop").is_on is False
    assert bench.rows("select id from message where state = 'cancelled'") == [(by_mail,)]
    assert bench.one(f"select state from message where id = '{by_chat}'") == "queued"
    with pytest.raises(Exception, match="no more e-mail"):
        in_one(bench, leads.allow, *place, True, "a form", actor="owner:1")
    story = (Cause.new(), PEOPLE)
    in_one(bench, consent.withdraw, bench.clocks, studio, lead, "all", "wording", "m", *story)
    assert in_one(bench, unsubscribing.read, PEOPLE, token).may_return is False
    for wrong in ("", "é", token[:-1], token[::-1], f"{token}AAAA", "A" * len(token)):
        with pytest.raises(NotFound):
            in_one(bench, unsubscribing.read, PEOPLE, wrong)


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"postal_address": ""}, "postal address"), ({"reply_to": "anna@nowhere"}, "none that there can be")],
)
def test_a_channel_that_can_not_be_is_refused_in_words(bench: Bench, changes: dict[str, Any], says: str) -> None:
    studio = opened(bench)
    with pytest.raises(Invalid, match=says):
        in_one(bench, fall_backs.choose, bench.clocks, studio, FallBacks(**{**vars(CHANNELS), **changes}), actor="o:1")


def test_a_subject_is_the_first_sentence_and_the_text_ends_with_who_writes() -> None:
    assert subject_of("\n  Goed gedaan,   Bo! Tot morgen.") == "Goed gedaan, Bo!"
    long = subject_of(" ".join(["woorden"] * 20))
    assert len(long) <= 78 and re.fullmatch(r"(woorden )*woorden…", long)
    letter = Letter(Letterhead("Noord", "a@b.example", "https://p.example/mail/x"), "Straat 1")
    body = body_of("Hoi", "xx", letter)
    assert body.startswith("Hoi\n\n-- \n") and body.endswith("https://p.example/mail/x\n\nNoord\nStraat 1\n")
