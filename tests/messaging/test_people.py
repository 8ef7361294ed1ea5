"""Who a lead is: two who are one, forgetting somebody, silence from every studio; nothing that names them is left."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from pilar.agents.invariants import INVARIANTS as AGENTS
from pilar.app import KEEP_LEADS
from pilar.backplane.facts import Cause
from pilar.backplane.handlers import Delivery, Outside, Transactional
from pilar.backplane.shredding import NOTHING_LEFT, without
from pilar.backplane.subjects import as_subject, digest
from pilar.coach import goals, trainings
from pilar.coach.invariants import INVARIANTS as COACH
from pilar.crypto import SecretBox, new_key
from pilar.database.engine import Scope
from pilar.database.schema import metadata
from pilar.errors import Conflict, Invalid
from pilar.messaging import consent, erasing, leads, merging, notes, people_store, receiving, refusals, store
from pilar.messaging.erasing import Eraser
from pilar.messaging.events import EraseLead, ImportLeads
from pilar.messaging.identity import recognise
from pilar.messaging.inbox import WhatsAppInbox
from pilar.messaging.lead_import import ERASED, LeadImporter
from pilar.messaging.leads import Changes
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.messaging.refusals import Told
from pilar.messaging.rooms import People
from pilar.messaging.wording import Wish, may_refuse, wish_of
from pilar.providers.whatsapp import deliveries
from pilar.workspaces import store as workspaces
from tests.fixtures.work import START, Bench
from tests.messaging.test_lead_import import brought, opened

PHONE, NAME, USER = "+31612345678", "Anna Voorbeeld", "NL.abc123XYZ"
ROWS_OF_A_LEAD = """
insert into coach_enrolment values (:w, :lead, 'daily', null, 'supportive', :now, null, null);
insert into coach_goal (workspace_id, id, lead_id, type, target, progress, state, created_at, changed_at)
values (:w, :lead, :lead, 'habit', 'Twice a week', 0, 'active', :now, :now);
insert into coach_milestone (workspace_id, id, goal_id, description, target_date)
values (:w, :lead, :lead, 'Once a week', '2026-06-01');
insert into coach_training (workspace_id, lead_id, trained_at, source, recorded_at)
select :w, :lead, cast(:now as timestamptz) - n * interval '3 days', 'api', :now from generate_series(1, 2) n;
insert into coach_training (workspace_id, lead_id, trained_at, source, recorded_at)
values (:w, :stays, cast(:now as timestamptz) - interval '3 days', 'api', :now),
       (:w, :stays, cast(:now as timestamptz) - interval '1 day', 'api', :now);
insert into coach_state (workspace_id, lead_id, last_training_at)
values (:w, :lead, cast(:now as timestamptz) - interval '3 days'),
       (:w, :stays, cast(:now as timestamptz) - interval '1 day');
insert into model_turn (workspace_id, id, lead_id, message_id, state, input_tokens, output_tokens, opened_at, due_at)
select distinct on (lead_id) :w, lead_id, lead_id, id, 'collecting', 0, 0, :now, :now from message order by lead_id;
insert into coach_nudge (workspace_id, id, lead_id, type, local_day, time_zone, due_at, planned_at, skipped)
select :w, gen_random_uuid(), :lead, 'morning_nudge', cast(:now as date) + n, 'UTC', :now, :now,
       case n when 1 then 'late' end from generate_series(1, 2) n;
insert into refusal_question (workspace_id, message_id, lead_id, state, since, settled_at)
select :w, id, :lead, 'settled', :now, :now from message where lead_id = :lead limit 1;
insert into lead_reach (workspace_id, lead_id, undelivered, marketing_waits, sms_refused) values (:w, :lead, 1, 0, '30006');
insert into coach_pace values (:w, :lead, :lead, :now, 'slowed', 'weekly', 3);
insert into analytics.lead_engagement values (:w, :lead, 50, null, 50, 50, 50, 50, 50, 0, 0, 0, :now);
insert into experiment (id, name, subject, unit, goal, variants, salt, state, alpha, minimum_per_variant, started_at,
                        created_at, created_by)
values (:lead, 'x', 'rule:x', 'lead', 'booking.made', '[]', 's', 'stopped', 0.05, 1, :now, :now, 'system');
insert into experiment_exposure (workspace_id, experiment_id, unit_id, variant, exposed_at)
values (:w, :lead, cast(:lead as uuid)::text, 'a', :now);
insert into experiment_outcome (workspace_id, experiment_id, unit_id, occurred_at)
values (:w, :lead, cast(:lead as uuid)::text, :now);
insert into lead_call (workspace_id, id, lead_id, provider_call_id, direction, state, began_at)
values (:w, :lead, :lead, 'wacid.1', 'in', 'completed', :now);
insert into lead_erasure (workspace_id, lead_id, asked_by, asked_at) values (:w, :lead, 'owner:1', :now);
insert into booking_event_type (workspace_id, id, slug, name, duration_minutes, buffer_minutes, active, created_at)
values (:w, :lead, 'trial', 'Trial', 60, 0, true, :now);
insert into booking (workspace_id, id, event_type_id, lead_id, starts_at, ends_at, busy_from, busy_until, state,
                     source, cause, created_at)
values (:w, :lead, :lead, :lead, :now, :now, :now, cast(:now as timestamptz) + interval '1 hour', 'booked', 'x', 'x',
        :now);
insert into followup (workspace_id, id, name, template_name, after_minutes, at_most, active, created_at)
values (:w, :lead, 'x', 'x', 60, 1, true, :now);
insert into followup_step (workspace_id, id, lead_id, followup_id, number, silent_since, due_at, skipped, planned_at)
select :w, gen_random_uuid(), :lead, :lead, n, :now, :now, case n when 1 then 'late' end, :now
from generate_series(1, 2) n;
insert into session_window (workspace_id, lead_id, opened_at, closes_at) values (:w, :lead, :now, :now);
insert into slot_offer (workspace_id, id, lead_id, event_type, slots, cause, made_at, expires_at, booking_id)
values (:w, :lead, :lead, 'trial', '[]', 'x', :now, :now, :lead);
insert into coach_checkin (workspace_id, nudge_id, lead_id, message_id, trainings, answered_at)
select :w, gen_random_uuid(), :lead, id, 3, :now from message where lead_id = :lead limit 1;
insert into rule_firing (workspace_id, message_id, lead_id, turn_id, fired_at, latency_ms)
select :w, id, :lead, :lead, :now, 1 from message where lead_id = :lead limit 1
"""
SECRETS_OF_A_LEAD = """
insert into message (workspace_id, id, lead_id, direction, kind, state, origin, details, cause, occurred_at)
values (:w, :lead, :lead, 'in', 'document', 'received', 'lead', '{"media_id": "9", "filename": "secret.pdf"}',
        'in:9', :now);
insert into message_media (workspace_id, message_id, state, mime_type, size, content, asked_at)
values (:w, :lead, 'kept', 'application/secret', 6, 'secret', :now);
insert into coach_goal (workspace_id, id, lead_id, type, target, progress, state, created_at, changed_at)
values (:w, :lead, :lead, 'habit', 'secret goal', 0, 'active', :now, :now);
insert into coach_milestone (workspace_id, id, goal_id, description, target_date, completed_at)
values (:w, :lead, :lead, 'secret step', '2026-06-01', :now);
insert into coach_training (workspace_id, lead_id, trained_at, source, recorded_at)
values (:w, :lead, '2026-01-01T09:00Z', 'api', :now);
insert into coach_state (workspace_id, lead_id, last_training_at) values (:w, :lead, '2026-01-01T09:00Z');
insert into model_turn (workspace_id, id, lead_id, message_id, state, input_tokens, output_tokens, opened_at, due_at)
values (:w, :lead, :lead, :lead, 'collecting', 0, 0, :now, :now)
"""
PEOPLE = People(SecretBox([new_key()]), KEEP_LEADS)


def in_one(bench: Bench, work: Any, *arguments: Any, **named: Any) -> Any:
    with bench.database.transaction(Scope.fleet()) as connection:
        return work(connection, *arguments, **named)


def column(bench: Bench, statement: str) -> list[Any]:
    return [row[0] for row in bench.rows(statement)]


def somebody(
    bench: Bench, studio: UUID, phone: str | None = PHONE, user: str | None = None, name: str | None = NAME
) -> UUID:
    values = receiving.new_lead(phone, name, "nl", "NL", bench.business.now())
    names = (phone[1:] if phone else None, user)
    found: UUID = in_one(bench, recognise, bench.clocks, studio, names, values, Cause.new(), PEOPLE).id
    return found


def writes(bench: Bench, studio: UUID, said: str, *, phone: str = PHONE, wamid: str = "wamid.AAAA1") -> str:
    told = deliveries.InboundMessage(
        "1", "2", wamid, phone[1:], phone, NAME, "text", said, None, bench.business.now(), {}
    )
    work = SimpleNamespace(correlation_id=None, recorded_at=bench.real.now(), cause=Cause.new())
    return str(in_one(bench, receiving.receive, bench.clocks, studio, told, work, PEOPLE))


def queued(bench: Bench, studio: UUID, lead: UUID, cause: str, category: str = "marketing") -> UUID:
    message = NewMessage(lead_id=lead, category=category, origin="coach:x", cause=cause, text="Hi")  # type: ignore[arg-type]
    stored: UUID = in_one(bench, queue_message, bench.clocks, studio, message, Cause.new())
    return stored


def test_every_table_that_names_a_lead_says_what_becomes_of_it() -> None:
    naming = {
        table.fullname for table in metadata.tables.values() if {"lead_id", "unit_id"} & set(table.columns.keys())
    }
    assert naming == {table for room in KEEP_LEADS for table in room.tables}
    hanging, known = set[str](), naming
    while known:
        known = {
            table.name
            for table in metadata.tables.values()
            if {key.column.table.name for key in table.foreign_keys} & known
        } - naming - hanging  # fmt: skip
        hanging |= known
    assert hanging == {table for room in KEEP_LEADS for table in room.beneath}, "whose rows hang on such a table's"


def test_two_leads_become_one_with_everything_that_names_them_and_the_strictest_consent(bench: Bench) -> None:
    studio = opened(bench)
    stays, goes = somebody(bench, studio), somebody(bench, studio, phone=None, user=USER, name="anna voorbeeld ")
    in_one(bench, store.change_lead, studio, goes, {"email": "a@b.example", "email_refused": "no_mailbox"})
    pairs = in_one(bench, people_store.likely_pairs, studio, None, 10)
    assert [(one.first_id, one.second_id) for one in pairs] == [(stays, goes)]
    for lead in (stays, goes):
        in_one(bench, consent.grant, bench.clocks, studio, lead, "marketing", "import", "the same form")
        queued(bench, studio, lead, f"nudge:{lead}")
        in_one(bench, notes.add, bench.clocks, studio, lead, "Likes mornings", actor="owner:1", form_id=str(lead))
    with bench.database.transaction(Scope.fleet()) as connection:
        values = {"w": studio, "lead": goes, "stays": stays, "now": START}
        for statement in ROWS_OF_A_LEAD.split(";"):
            connection.execute(text(statement), values)
    in_one(bench, consent.withdraw, bench.clocks, studio, goes, "marketing", "wording", "m", Cause.new(), PEOPLE)
    in_one(bench, consent.grant, bench.clocks, studio, stays, "email", "import", "another form")
    in_one(bench, consent.withdraw, bench.clocks, studio, goes, "email", "link", "mail:1", Cause.new(), PEOPLE)

    put = (bench.clocks, PEOPLE, studio, stays, goes, "owner:1", "The same name.", Cause.new())
    assert in_one(bench, merging.merge, *put) is True
    assert in_one(bench, merging.merge, *put) is False, "once"

    with bench.database.transaction(Scope.fleet()) as connection:
        for room in KEEP_LEADS:
            for table in sorted(room.tables):
                who = "unit_id" if "unit_id" in metadata.tables[table].columns else "lead_id"
                counts = {
                    str(row[0]): row[1]
                    for row in connection.execute(text(f"select {who}, count(*) from {table} group by 1"))
                }
                assert str(goes) not in counts, table
                assert table == "lead_erasure" or counts[str(stays)], table
        lead = store.get_lead(connection, studio, goes)
        assert (lead.id, lead.phone, lead.provider_user_id) == (stays, PHONE, USER), "the old id answers"
        assert (lead.email, lead.email_refused) == ("a@b.example", "no_mailbox")
        assert store.consents(connection, studio, stays) == {"marketing": False, "email": False}
    assert bench.rows("select state from message where state <> 'cancelled'") == [], "for the strictest consent"
    assert column(bench, "select skipped from coach_nudge") == ["late"], "what was to come is called off"
    turns = [("merged", True), (None, False)]
    assert bench.rows("select reason, ended_at is not null from model_turn order by ended_at") == turns, "one collects"
    assert column(bench, "select turn_id from rule_firing") == [stays], "what the other collected is answered with it"
    assert bench.one("select count(*) from coach_training") == 3, "one at a moment"
    assert column(bench, "select last_training_at from coach_state") == [START - timedelta(days=1)]
    assert [one.name for one in COACH if bench.rows(one.query)] == []
    with pytest.raises(Conflict):
        in_one(bench, leads.allow, bench.clocks, PEOPLE, studio, goes, "marketing", True, "a form", actor="owner:1")


def test_what_was_answered_before_a_merge_was_right_whatever_the_other_had_refused(bench: Bench) -> None:
    studio = opened(bench)
    stays, goes = somebody(bench, studio), somebody(bench, studio, phone=None, user=USER)
    in_one(bench, consent.withdraw, bench.clocks, studio, goes, "all", "wording", "m", Cause.new(), PEOPLE)
    bench.business.advance(timedelta(hours=1))
    assert writes(bench, studio, "When are you open?") == "message"
    with bench.database.transaction(Scope.fleet()) as connection:
        fired = (
            "insert into rule_firing (workspace_id, message_id, lead_id, fired_at, latency_ms)"
            " select workspace_id, id, lead_id, :now, 1 from message where direction = 'in'"
        )
        connection.execute(text(fired), {"now": bench.business.now()})
    bench.business.advance(timedelta(hours=1))
    in_one(bench, merging.merge, bench.clocks, PEOPLE, studio, stays, goes, "owner:1", "They are one.", Cause.new())
    with bench.database.transaction(Scope.fleet()) as connection:
        assert [one.name for one in AGENTS if connection.execute(text(one.query)).all()] == []


def test_a_number_and_a_user_id_are_one_lead_once_they_are_told_together(bench: Bench) -> None:
    studio = opened(bench)
    by_id, by_number = somebody(bench, studio, None, USER), somebody(bench, studio, PHONE, None)
    assert by_id != by_number
    assert somebody(bench, studio, PHONE, USER) == by_id, "the older one stays"
    assert bench.rows("select provider_user_id, phone from lead") == [(USER, PHONE)]
    assert somebody(bench, studio, PHONE, None) == somebody(bench, studio, None, USER) == by_id
    fresh = somebody(bench, studio, PHONE, "NL.another1", "Bo")
    assert fresh != by_id, "the number has changed hands"
    assert bench.rows("select name, phone from lead order by id") == [(NAME, None), ("Bo", PHONE)]
    wanted = Changes(name="Anna", phone="0612345678", tags=["vip"])
    with pytest.raises(Conflict):
        in_one(bench, erase_then_change, bench, studio, by_id, wanted)
    row = in_one(bench, leads.change, bench.clocks, PEOPLE, studio, by_id, wanted, actor="owner:1")
    assert (row.id, row.phone, row.tags) == (by_id, PHONE, ["vip"]), "staff may tell that they are one"
    assert bench.one("select count(*) from lead") == 1


def erase_then_change(connection: Any, bench: Bench, studio: UUID, lead: UUID, wanted: Changes) -> None:
    store.change_lead(connection, studio, lead, {"lifecycle": "erased"})
    leads.change(connection, bench.clocks, PEOPLE, studio, lead, wanted, actor="owner:1")


def test_who_is_erased_is_in_no_table_and_is_written_to_again_only_if_they_write(bench: Bench) -> None:
    studio = opened(bench)
    bench.registry.on_job(EraseLead, Transactional(Eraser(bench.clocks, PEOPLE).on_job))
    bench.registry.on_job(ImportLeads, Outside(LeadImporter(bench.database, bench.clocks, PEOPLE).on_job))
    assert writes(bench, studio, "My secret wish", wamid="wamid.SECRET1") == "message"
    lead = bench.one("select id from lead")
    queued(bench, studio, lead, "nudge:1")
    in_one(bench, notes.add, bench.clocks, studio, lead, "A secret note", actor="owner:1", form_id="1")
    with bench.database.transaction(Scope.fleet()) as connection:
        for statement in SECRETS_OF_A_LEAD.split(";"):
            connection.execute(text(statement), {"w": studio, "lead": lead, "now": START})
    written = {"properties": {"email": "secret@mail.example"}, "email": "secret@post.example"}
    in_one(bench, store.change_lead, studio, lead, written)
    body = {
        "entry": [{"id": "1", "changes": [
            {"field": "messages", "value": {
                "metadata": {"phone_number_id": "2"},
                "contacts": [{"wa_id": PHONE[1:], "profile": {"name": NAME}}, {"wa_id": "31699999999"}],
                "messages": [{"id": "wamid.SECRET1", "from": PHONE[1:], "text": {"body": "My secret wish"}},
                             {"id": "wamid.OTHER", "from": "31699999999", "text": {"body": "Not theirs"}}],
            }},
        ]}],
    }  # fmt: skip
    with bench.database.transaction(Scope.fleet()) as connection:
        values = {"phone_number_id": "2", "phone_number": "+31201112233", "state": "connected"}
        workspaces.upsert_integration(connection, studio, "whatsapp", now=START, **values)
        connection.execute(
            text("insert into inbox (id, provider, external_id, headers, body, received_at)"
                 " values (gen_random_uuid(), 'whatsapp', 'x', '{}', :body, :now)"),
            {"body": json.dumps(body).encode(), "now": START},
        )  # fmt: skip
        connection.execute(text(
            "insert into inbox_subject select :subject, position from inbox"
        ), {"subject": digest(as_subject(PHONE))})  # fmt: skip
    told = in_one(bench, erasing.export, bench.clocks, PEOPLE, studio, lead, actor="owner:1")
    shown = json.dumps(told)
    told_of = (
        "My secret wish",
        "A secret note",
        "secret@mail.example",
        "secret@post.example",
        "secret.pdf",
        "secret goal",
        "secret step",
    )
    assert all(word in shown for word in (PHONE, NAME, *told_of, "2026-01-01T09:00"))
    with bench.database.transaction(Scope.workspace(studio)) as connection:
        happened = [(one.kind, one.says) for one in leads.timeline(connection, bench.clocks, PEOPLE, studio, lead, 50)]
    assert {("goal", "secret goal"), ("goal", "secret step"), ("training", "Trained"), ("note", "A secret note")} < {
        *happened, ("message", "secret.pdf")
    }  # fmt: skip
    assert len(told["deliveries"]) == 1

    assert in_one(bench, erasing.ask, bench.clocks, studio, lead, actor="owner:1") is True
    assert in_one(bench, erasing.ask, bench.clocks, studio, lead, actor="owner:1") is False
    bench.run()
    assert bench.rows("select type, error from queue_log where error is not null") == []
    secrets = (PHONE[1:], NAME, "secret", "SECRET1")
    with bench.database.transaction(Scope.fleet()) as connection:
        for table in metadata.tables.values():
            for row in connection.execute(text(f"select t.*, t::text as whole from {table.fullname} t")).mappings():
                found = row["whole"] + "".join(
                    bytes(value).decode(errors="ignore") for value in row.values() if isinstance(value, (bytes,))
                )
                assert not [word for word in secrets if word in found], (table.name, found)
        assert b"Not theirs" in bytes(connection.execute(text("select body from inbox")).scalar_one())
    assert bench.rows("select lifecycle, erased_at is not null from lead join lead_erasure on id = lead_id") == [
        ("erased", True)
    ]
    assert column(bench, "select state from message where direction = 'out'") == ["cancelled"]
    assert bench.rows("select state, reason from model_turn") == [("dropped", "erased")]
    assert bench.rows("select state, content from message_media") == [("gone", None)]
    assert bench.rows("select 1 from coach_goal union all select 1 from coach_training") == []
    with pytest.raises(Conflict, match="erased"):
        in_one(bench, goals.set_goal, bench.clocks, studio, lead, goals.NewGoal("habit", "x"), actor="owner:1")
    with pytest.raises(Invalid, match="erased"):
        in_one(bench, trainings.record, bench.clocks, studio, [trainings.Training(START, lead)], "api")

    done = brought(bench, studio, f"{PHONE},Anna,nl,,Website form,2026-02-01,form 17")
    assert (done.added, done.refused) == (0, 1)
    assert column(bench, "select reason from lead_import_refusal") == [ERASED]
    with pytest.raises(Conflict, match="forgotten"):
        in_one(bench, leads.add, bench.clocks, PEOPLE, studio, Changes(phone=PHONE), actor="owner:1")
    assert writes(bench, studio, "My secret wish", wamid="wamid.SECRET1") == "before_erasure", "delivered once more"

    again = json.dumps(body).replace('"from"', f'"timestamp": "{int(START.timestamp())}", "from"').encode()
    with bench.database.transaction(Scope.fleet()) as connection:
        connection.execute(
            text("insert into inbox (id, provider, external_id, headers, body, received_at)"
                 " values (gen_random_uuid(), 'whatsapp', 'y', '{}', :body, :now)"),
            {"body": again, "now": START},
        )  # fmt: skip
        row = connection.execute(text("select id, position from inbox where external_id = 'y'")).one()
        work = SimpleNamespace(
            id=row.id, position=row.position, content=Delivery("whatsapp", "y", {}, again), correlation_id=None,
            recorded_at=START, cause=Cause.new(),
        )  # fmt: skip
        counts = WhatsAppInbox(bench.clocks, PEOPLE).on_delivery(connection, work)  # type: ignore[arg-type]
        left = bytes(connection.execute(text("select body from inbox where external_id = 'y'")).scalar_one())
    assert counts["before_erasure"] == 1
    assert b"Not theirs" in left and PHONE[1:].encode() not in left and b"secret" not in left

    bench.business.advance(timedelta(hours=1))
    assert writes(bench, studio, "Hello, it's me", wamid="wamid.NEW") == "message"
    anew = bench.one(f"select id from lead where phone = '{PHONE}'")
    allowed = (bench.clocks, PEOPLE, studio, anew, "marketing", True, "form 17")
    with pytest.raises(Conflict, match="forgotten"):
        in_one(bench, leads.allow, *allowed, actor="owner:1")
    assert writes(bench, studio, "START", wamid="wamid.NEW2") == "message"
    assert in_one(bench, leads.allow, *allowed, actor="owner:1") is True, "they came back by themselves"


def test_the_digests_of_persons_outlive_a_change_of_keys(bench: Bench) -> None:
    old, new = new_key(), new_key()
    before = in_one(bench, People(SecretBox([old]), ()).digests.of, [PHONE, None])
    with bench.database.transaction(Scope.fleet()) as connection:
        sealed = people_store.find_person_key(connection)
        resealed = SecretBox([new, old]).reseal(sealed or b"")
        connection.execute(text("update person_key set sealed_key = :sealed"), {"sealed": resealed})
    assert in_one(bench, People(SecretBox([new]), ()).digests.of, [PHONE[1:]]) == before
    assert PHONE[1:].encode() not in before[0]


def test_silence_from_every_studio_reaches_all_that_know_the_number_and_those_that_meet_it_later(
    bench: Bench,
) -> None:
    north, south, later = opened(bench), opened(bench), opened(bench)
    here, there, other = somebody(bench, north), somebody(bench, south), somebody(bench, south, "+31687654321")
    for studio, lead in ((north, here), (south, there), (south, other)):
        queued(bench, studio, lead, f"nudge:{lead}", "utility")
    assert writes(bench, north, "stop all") == "opt_out"
    states = dict(bench.rows("select lead_id, state from message where left(cause, 6) = 'nudge:'"))
    assert states == {here: "cancelled", there: "cancelled", other: "queued"}
    met = somebody(bench, later)
    with bench.database.transaction(Scope.fleet()) as connection:
        assert store.consents(connection, later, met) == {"all": False}
        assert store.consents(connection, south, other) == {}
    assert writes(bench, south, "start", wamid="wamid.B") == "message"
    with bench.database.transaction(Scope.fleet()) as connection:
        assert store.consents(connection, south, there) == {"all": True}, "with that studio alone"
        assert store.consents(connection, later, met) == {"all": False}


SAYINGS = st.tuples(st.sampled_from(["grant", "withdraw"]), st.sampled_from(["marketing", "all"])) | st.just(
    ("withdraw", "founder")
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(SAYINGS, min_size=1, max_size=5))
def test_nothing_queued_remains_that_consent_forbids(bench: Bench, said: list[tuple[str, str]]) -> None:
    studio = opened(bench)
    lead = somebody(bench, studio, f"+3161{int(studio) % 10**7:07}")  # who was silenced stays so
    expected: dict[str, bool] = {}
    for number, (what, scope) in enumerate(said):
        for category in ("service", "marketing"):
            queued(bench, studio, lead, f"{studio}:{number}:{category}", category)
        if what == "grant":
            in_one(bench, consent.grant, bench.clocks, studio, lead, scope, "keyword", str(number), PEOPLE)
        else:
            arguments = (bench.clocks, studio, lead, scope, "wording", str(number), Cause.new(), PEOPLE)
            in_one(bench, consent.withdraw, *arguments)
            if scope == "founder":
                expected["all"] = False
        expected[scope] = what == "grant"
        with bench.database.transaction(Scope.fleet()) as connection:
            assert store.consents(connection, studio, lead) == expected
        if what == "withdraw":
            left = bench.rows(f"select category from message where state = 'queued' and lead_id = '{lead}'")
            assert {row[0] for row in left} <= ({"service"} if scope == "marketing" else set())


@pytest.mark.parametrize(
    "said",
    [
        *("Please don't stop texting me!", "never stop sending messages", "niet stoppen hoor", "n'arrête pas"),
        *("Hör nicht auf zu schreiben", "no pares", "Não pare!", "non smettere", "Non fermarti"),
    ],
)
def test_who_asks_us_not_to_stop_does_not_refuse(said: str) -> None:
    assert wish_of(said) is None
    assert not may_refuse(said)


@pytest.mark.parametrize(
    "said",
    [
        *("stop please", "Stop, por favor", "ne m'écrivez plus", "arrêtez de m'écrire", "désinscrivez-moi"),
        *("no me escribas más", "dejen de enviarme mensajes", "no quiero recibir más mensajes", "Quiero: dame de baja"),
        *(
            "Não me mande mais mensagens",
            "Pare de me enviar mensagens",
            "não quero mais mensagens",
            "SAIR",
            "Me remova",
        ),
        *("Non mi scrivere più", "Smettila di scrivermi", "basta messaggi", "non voglio più ricevere messaggi"),
        *("melde mich ab", "laat me met rust", "meld me af", "lass mich in Ruhe"),
    ],
)
def test_any_reasonable_wording_in_seven_languages_refuses(said: str) -> None:
    assert wish_of(said) is Wish.STOP


def test_what_the_rules_can_t_tell_is_left_to_who_understands_more(bench: Bench) -> None:
    assert wish_of("STOPALL") is Wish.STOP_EVERYWHERE
    studio = opened(bench)
    said = "Chega de mensagens"
    assert wish_of(said) is None and may_refuse(said)
    assert writes(bench, studio, said) == "message"
    kinds = column(bench, "select type from autopilot_event where left(type, 8) = 'message.' order by position")
    assert kinds == ["message.received", "message.refusal_unclear"]
    message, lead = bench.rows("select id, lead_id from message")[0]
    settled = (bench.clocks, studio, message, Told("all", refusals.MODEL, answer="refuses_all"), Cause.new(), PEOPLE)
    assert in_one(bench, refusals.settle, *settled) is True
    assert in_one(bench, refusals.settle, *settled) is False
    with bench.database.transaction(Scope.fleet()) as connection:
        assert store.consents(connection, studio, lead) == {"all": False}
    assert column(bench, "select origin from message where direction = 'out'") == ["notice:opted_out"], (
        "one confirmation"
    )


def test_a_call_is_kept_once_and_one_of_the_lead_s_opens_the_window(bench: Bench) -> None:
    studio = opened(bench)
    at = int(START.timestamp())
    call = {"id": "wacid.1", "from": PHONE[1:], "to": "31201112233", "timestamp": str(at - 60), "event": "connect",
            "direction": "USER_INITIATED"}  # fmt: skip
    end = {**call, "event": "terminate", "timestamp": str(at), "status": ["COMPLETED"], "duration": 55,
           "start_time": str(at - 55)}  # fmt: skip
    value = {"metadata": {"phone_number_id": "2"}, "contacts": [{"wa_id": PHONE[1:], "profile": {"name": NAME}}]}
    odd = {"id": "wacid.2", "from": PHONE[1:], "timestamp": str(at), "event": "media_update"}
    found = deliveries.read(
        {"entry": [{"id": "1", "changes": [{"field": "calls", "value": {**value, "calls": [end, call, odd, {}]}}]}]}
    )
    assert [type(one).__name__ for one in found] == ["Call", "Call", "Unknown", "Unknown"]
    for one, became in zip(
        [found[1], found[0], found[0], found[1]], ["call", "call", "call_again", "call_again"], strict=True
    ):
        assert in_one(bench, receiving.note_call, bench.clocks, studio, one, Cause.new(), PEOPLE) == became
    assert bench.rows("select direction, state, seconds from lead_call") == [("in", "completed", 55)]
    lead, unread = bench.rows("select lead_id, unread from conversation where last_inbound_at is not null")[0]
    assert unread == 0
    with bench.database.transaction(Scope.workspace(studio)) as connection:
        moments = leads.timeline(connection, bench.clocks, PEOPLE, studio, lead, 10)
    assert [(one.kind, one.detail) for one in moments] == [("call", "completed, 55 s")]


def test_a_body_loses_the_parts_of_one_person_to_one_studio_and_no_other() -> None:
    form = b"From=%2B31612345678&To=%2B31201112233&Body=hi"
    assert without(form, [PHONE], ["+31201112233"]) == NOTHING_LEFT
    assert without(form, [PHONE], ["+31209999999"]) == form
    value = {"metadata": {"phone_number_id": "9"}, "messages": [{"from": PHONE[1:]}]}
    other = json.dumps({"entry": [{"changes": [{"value": value}]}]}).encode()
    assert without(other, [PHONE], ["2"]) == other
    left = json.loads(without(other, [PHONE], ["9"]))["entry"][0]["changes"][0]["value"]
    assert left["messages"] == [] and left["metadata"] == {"phone_number_id": "9"}
