"""Who may call which route: one test for each route and each kind of caller, generated from the table of routes.

The expectations are written a second time here, by name: a route that is opened by mistake in the table fails.
"""

from __future__ import annotations

import inspect
import re
from datetime import timedelta

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from pilar.database.engine import Scope
from pilar.security import api_tokens
from pilar.security.principals import Access, Kind
from tests.webhook_ingest.conftest import House
from webhook_ingest.app import create_app
from webhook_ingest.route import Forgery, Route
from webhook_ingest.routes import ROUTES

PUBLIC = {
    "autopilot_health", "autopilot_health_alias", "home", "sign_in_page", "sign_in", "sign_in_link_page",
    "use_sign_in_link", "sign_out", "setup_callback", "setup_page", "static_file", "follow_affiliate_link",
    "follow_calendar", "setup_bring_own", "setup_ask_for_code", "setup_type_code", "setup_mend_template",
    "setup_submit_template_again", "setup_look_again", "mail_link_page", "use_mail_link",
}  # fmt: skip
TRIGGERS = ("run_scheduler", "run_autopilot", "run_health_check", "run_budget_reset", "run_clean_up")
TIMERS = tuple(f"{name}_by_timer" for name in TRIGGERS)
"""What a host's timer calls, which knows GET only: they do something all the same."""
MAY = {
    "list_incidents": {"admin", "system"},
    "list_workspaces": {"admin", "system"},
    "workspace_status": {"admin", "system", "owner", "member"},
    "workspace_status_alias": {"admin", "system", "owner", "member"},
    "retry_workspace": {"admin", "owner"},
    "undo_signup": {"admin"},
    "reprovision": {"admin"},
    "complete_onboarding": {"admin", "owner"},
    "list_waits": {"admin", "system"},
    "provisioning_health": {"admin", "system"},
    "waits": {"admin"},
    "provision_twilio": {"admin", "system"},
    "provision_whatsapp": {"admin", "system"},
    "twilio_status_of": {"admin", "system", "owner", "member"},
    "retry_twilio": {"admin", "owner"},
    **{name: {"admin", "system", "owner", "member"} for name in ("whatsapp_health", "whatsapp_status_of")},
    "own_channel": {"admin", "system", "owner", "member"},
    **{
        name: {"admin", "owner"}
        for name in ("bring_own", "bring_nothing", "ask_for_own_code", "type_own_code", "mend_template")
    },
    "channels_seen": {"admin", "system", "owner", "member"},
    "look_at_channels": {"admin", "owner"},
    "send_test_message": {"admin", "owner"},
    "why_message": {"admin", "system", "owner", "member"},
    "get_fall_backs": {"admin", "system", "owner", "member"},
    **{name: {"admin", "owner"} for name in ("choose_fall_backs", "choose_channels_by_page")},
    "list_conversations": {"admin", "system", "owner", "member"},
    "get_conversation": {"admin", "system", "owner", "member"},
    "list_templates_for_lead": {"admin", "system", "owner", "member"},
    "conversation_file": {"admin", "system", "owner", "member"},
    "new_answer": {"admin", "owner", "member"},
    "new_template_answer": {"admin", "owner", "member"},
    "take_over_conversation": {"admin", "owner", "member"},
    "hand_back_conversation": {"admin", "owner", "member"},
    "assign_conversation": {"admin", "owner", "member"},
    "tell_refusal": {"admin", "owner", "member"},
    "tell_refusal_by_page": {"admin", "owner", "member"},
    "new_note": {"admin", "owner", "member"},
    "answer_lead_by_template": {"admin", "owner", "member"},
    "assign_conversation_by_page": {"admin", "owner", "member"},
    "add_note_by_page": {"admin", "owner", "member"},
    **{
        name: {"admin", "system", "owner", "member"}
        for name in ("list_studio_templates", "list_followups", "templates_page")
    },
    **{
        name: {"admin", "owner"}
        for name in (
            "write_template",
            "sync_studio_templates",
            "submit_template_again",
            "write_template_by_page",
            "sync_templates_by_page",
            "submit_template_again_by_page",
        )
    },
    "get_subscription": {"admin", "system", "owner", "member"},
    "subscription": {"admin", "system", "owner", "member"},
    **{
        name: {"admin", "owner"}
        for name in (
            "change_plan",
            "move_to_plan",
            "list_members",
            "add_member",
            "remove_member",
            "team",
            "add_person",
            "take_out",
            "studio_defaults_page",
            "roll_back_by_page",
            "change_defaults_by_page",
        )
    },
    **{name: {"admin"} for name in ("default_template_page", "bring_up_to_date", "change_template_by_page")},
    "extend_grace": {"admin"},
    "extend_grace_by_page": {"admin"},
    "pause": {"admin"},
    "resume": {"admin"},
    "dry_run": {"admin"},
    "workspace_audit": {"admin", "owner"},
    **{
        name: {"admin", "system", "owner", "member"}
        for name in (
            *("list_leads", "new_lead", "likely_lead_pairs", "get_lead", "change_lead", "lead_timeline"),
            *("change_consent", "new_lead_note", "lead_list", "lead_page"),
        )
    },
    **{name: {"admin", "owner"} for name in ("erase_lead", "export_lead", "merge_lead")},
    **{name: {"admin", "owner"} for name in ("merge_lead_by_page", "erase_lead_by_page")},
    **{
        name: {"admin", "owner", "member"} for name in ("add_lead", "change_lead_by_page", "note_lead", "allow_lead")
    },
    "overview": {"admin"},
    "studio": {"admin", "system", "owner", "member"},
    "set_up_studio": {"admin", "owner"},
    "retry_studio": {"admin", "owner"},
    "conversations": {"admin", "system", "owner", "member"},
    "conversation": {"admin", "system", "owner", "member"},
    "answer_lead": {"admin", "owner", "member"},
    "take_over": {"admin", "owner", "member"},
    "hand_back": {"admin", "owner", "member"},
    "messages": {"admin", "system", "owner", "member"},
    "test_message": {"admin", "owner"},
    "switch_studio": {"admin", "owner"},
    "fleet_controls": {"admin"},
    "switch_fleet": {"admin"},
    "experiments": {"admin"},
    "experiment": {"admin"},
    "start_trial_experiment": {"admin"},
    "stop_experiment": {"admin"},
    "affiliates": {"admin"},
    "add_affiliate": {"admin"},
    "affiliate": {"admin", "affiliate"},
    "add_affiliate_link": {"admin", "affiliate"},
    "affiliate_dashboard": {"admin", "affiliate"},
    "affiliate_ledger": {"admin", "affiliate"},
    "new_affiliate_link": {"admin", "affiliate"},
    "openapi": {"admin"},
    "rule_analytics": {"admin", "system", "owner", "member"},
    "evaluate_rules": {"admin", "system", "owner", "member"},
    "calendar": {"admin", "system", "owner", "member"},
    "cancel_booking": {"admin", "owner", "member"},
    **{name: {"admin", "system", "owner", "member"} for name in ("free_slots", "list_bookings", "new_booking")},
    "delete_booking": {"admin", "system", "owner", "member"},
    **{name: {"admin", "owner"} for name in ("list_calendar_feeds", "new_calendar_feed", "revoke_calendar_feed")},
    **{name: {"admin", "owner"} for name in ("new_lead_import", "lead_imports", "bring_leads")},
    **{name: {"admin", "owner"} for name in ("new_training_import", "bring_trainings")},
    **{
        name: {"admin", "system", "owner", "member"}
        for name in ("list_training_imports", "get_training_import", "refused_training_rows")
    },
    **{
        name: {"admin", "owner", "member"}
        for name in (
            "set_goal_by_page", "change_goal_by_page", "add_milestone_by_page", "complete_milestone_by_page",
            "tell_training_by_page", "change_coaching",
        )
    },
    **{
        name: {"admin", "system", "owner", "member"}
        for name in ("list_lead_imports", "get_lead_import", "refused_lead_rows")
    },
    **{name: {"admin", "owner"} for name in ("studio_defaults", "studio_defaults_history")},
    **{name: {"admin", "owner"} for name in ("change_studio_defaults", "roll_back_studio_defaults")},
    **{name: {"admin"} for name in ("default_template", "change_default_template", "update_from_template")},
    **{name: {"admin", "owner"} for name in ("add_calendar_feed", "end_calendar_feed")},
    "rules": {"admin", "system", "owner", "member"},
    "set_rule_active": {"admin", "owner"},
    "coach_schedule": {"admin", "system", "owner", "member"},
    "change_coach_schedule": {"admin", "owner"},
    "coach_analytics": {"admin", "system", "owner", "member"},
    "coach": {"admin", "system", "owner", "member"},
    **{
        name: {"admin", "system", "owner", "member"}
        for name in (
            "next_coaching", "lead_coaching", "change_coaching_preferences", "list_goals", "new_goal", "change_goal",
            "new_milestone", "complete_milestone", "record_trainings",
        )
    },
    **{name: {"admin", "owner"} for name in ("coach_schedule_page", "change_schedule_by_page", "try_coach_message")},
    **{name: {"admin", "system", "owner", "member"} for name in ("goal_picture", "list_checkins")},
    "new_coach_message": {"admin", "system"},
    "list_inbox": {"admin"},
    "replay_deliveries": {"admin"},
    "get_delivery": {"admin"},
    "replay_delivery": {"admin"},
    "inbox": {"admin"},
    "replay_some": {"admin"},
    "delivery": {"admin"},
    "unmask_delivery": {"admin"},
    "replay_one": {"admin"},
    "autopilot_status": {"admin", "system"},
    "run_state": {"admin", "system"},
    **{name: {"admin", "system"} for name in TRIGGERS},
    **{name: {"system"} for name in TIMERS},
    "new_event": {"admin", "system", "owner", "member"},
    "new_job": {"admin", "system", "owner", "member"},
    "acquire_lock": {"admin", "system", "owner", "member"},
    "renew_lock": {"admin", "system", "owner", "member"},
    "release_lock": {"admin", "system", "owner", "member"},
    **{
        name: {"admin", "system", "owner", "member"}
        for name in (
            "list_events",
            "list_studio_events",
            "get_event",
            "list_jobs",
            "list_studio_jobs",
            "get_job",
            "cancel_job",
            "reschedule_job",
        )
    },
    **{name: {"admin", "system"} for name in (
        "delivery_items", "list_dead_letters", "requeue_dead_letters", "discard_dead_letters", "list_pauses",
        "pause_work", "resume_work", "list_unknown_effects",
    )},
    **{name: {"admin"} for name in (
        "settle_effect", "queue", "pause_queue", "resume_queue", "dead_letters", "deal_with_dead_letters", "effects",
        "settle_effect_by_page",
    )},
    "override_budget": {"admin"},
    "list_budget_overrides": {"admin", "system"},
    "end_budget_override": {"admin"},
    "dagster_page": {"admin"},
    "dagster_query": {"admin"},
}  # fmt: skip
NOBODYS = "00000000-0000-7000-8000-000000000001"
"""An id of nothing: who may asks for it is told that there is nothing."""
INCOMPLETE = {
    "change_coaching_preferences",
    "change_goal",
    "change_schedule_by_page",
    "new_goal",
    "new_milestone",
    "record_trainings",
    "bring_leads",
    "new_lead_import",
    "bring_trainings",
    "new_training_import",
    *("set_goal_by_page", "add_milestone_by_page"),
    *(
        "new_lead",
        "add_lead",
        "change_lead",
        "change_consent",
        "new_lead_note",
        "merge_lead",
        "merge_lead_by_page",
        "allow_lead",
    ),
    "change_default_template",
    "change_studio_defaults",
    "roll_back_studio_defaults",
    "update_from_template",
    "add_calendar_feed",
    "change_coach_schedule",
    "new_coach_message",
    "try_coach_message",
    "free_slots",
    "new_booking",
    "evaluate_rules",
    "extend_grace",
    "extend_grace_by_page",
    "add_member",
    "add_person",
    "change_defaults_by_page",
    "change_template_by_page",
    "roll_back_by_page",
    "change_plan",
    "move_to_plan",
    "write_template",
    "write_template_by_page",
    "submit_template_again_by_page",
    "set_rule_active",
    "undo_signup",
    "bring_own",
    "ask_for_own_code",
    "type_own_code",
    "mend_template",
}
"""Routes that want more than their address: who may call them gets as far as being told so."""
HTTP = [entry for entry in ROUTES if entry.answers not in {"door", "socket"}]
CLOSED = [entry for entry in HTTP if not entry.requires.is_public]
OF_STUDIO = [entry for entry in CLOSED if entry.of_workspace]
OF_AFFILIATE = [entry for entry in CLOSED if entry.of_affiliate]
WRITING = [entry for entry in CLOSED if entry.method != "GET" or entry.name in TIMERS]


def answers(
    client: TestClient,
    entries: list[Route],
    workspace_id: object,
    headers: dict[str, str] | None = None,
    affiliate_id: object = "00000000-0000-7000-8000-000000000000",
) -> dict[str, int]:
    """The status of each route by name; those that need a body are sent one that they take."""
    bodies: dict[str, dict[str, object]] = {
        "add_affiliate": {"data": {"name": "Bram", "email": "bram@blog.test"}},
        "new_affiliate_link": {"json": {"affiliate_id": str(affiliate_id)}},
        "new_calendar_feed": {"json": {"name": "A drill"}},
        "answer_lead": {"data": {"form_id": NOBODYS, "text": "Hello!"}},
        "answer_lead_by_template": {"data": {"choice_id": NOBODYS, "template": "x"}},
        "add_note_by_page": {"data": {"note_id": NOBODYS, "note": "Hello!"}},
        "note_lead": {"data": {"note_id": NOBODYS, "text": "Hello!"}},
        "new_answer": {"json": {"text": "Hello!"}},
        "new_template_answer": {"json": {"name": "x"}},
        "new_note": {"json": {"text": "Hello!"}},
        "assign_conversation": {"json": {"person_id": None}},
        "tell_refusal": {"json": {"refuses": False}},
        "tell_refusal_by_page": {"data": {"refuses": "no"}},
        "test_message": {"data": {"form_id": NOBODYS}},
        "switch_studio": {"data": {"kind": "pause", "turn": "on"}},
        "switch_fleet": {"data": {"kind": "pause", "turn": "off"}},
        "choose_fall_backs": {"json": {"sms": False, "email": False}},
        "new_event": {"json": {"type": "coaching.asked_for", "payload": {"lead_id": NOBODYS}}},
        "new_job": {"json": {"type": "messaging.submit_templates", "payload": {}}},
        "acquire_lock": {"json": {"key": "k"}},
        "renew_lock": {"json": {}},
        "reprovision": {"json": {"workspace_id": str(workspace_id)}},
        "complete_onboarding": {"json": {"workspace_id": str(workspace_id)}},
        "provision_twilio": {"json": {"workspace_id": str(workspace_id)}},
        "provision_whatsapp": {"json": {"workspace_id": str(workspace_id)}},
        "pause_queue": {"data": {"what": "type:no.such", "reason": "A drill"}},
        "resume_queue": {"data": {"dimension": "lane", "subject": "bulk"}},
        "deal_with_dead_letters": {"data": {"act": "requeue-all", "until": "2090-01-01T00:00:00Z"}},
        "settle_effect_by_page": {"data": {"verdict": "happened", "note": "A drill"}},
        "reschedule_job": {"json": {"scheduled_at": None}},
        "replay_deliveries": {"json": {"ids": [NOBODYS]}},
        "replay_some": {"data": {"act": "all", "provider": "none", "until": "2090-01-01T00:00:00Z"}},
        "requeue_dead_letters": {"json": {"all": True}},
        "discard_dead_letters": {"json": {"all": True}},
        "pause_work": {"json": {"dimension": "type", "subject": "no.such", "reason": "A drill"}},
        "settle_effect": {"json": {"verdict": "happened", "note": "A drill"}},
        "override_budget": {
            "json": {
                "workspace_id": NOBODYS,
                "resource": "messages",
                "amount": 1,
                "until": "2099-01-01T00:00Z",
                "reason": "A drill",
            }
        },
        "pause": {"json": {"reason": "A drill"}},
        "resume": {"json": {}},
        "dry_run": {"json": {"on": False, "reason": "A drill"}},
    }
    found = {}
    for number, entry in enumerate(entries, 1):
        if number % 100 == 0:
            # There are more routes than one address may call without a credential in a minute.
            client.app.state.pilar.clocks.real.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
        path = _address(entry, workspace_id, affiliate_id)
        body = bodies.get(entry.name, {})
        response = client.request(entry.method, path, headers=headers, follow_redirects=False, **body)
        found[entry.name] = response.status_code
    return found


def _address(entry: Route, workspace_id: object, affiliate_id: object) -> str:
    path = entry.path.replace("{workspace_id}", str(workspace_id)).replace("{path:path}", "")
    path = path.replace("{affiliate_id}", str(affiliate_id)).replace("{code}", "x")
    path = path.replace("{token}", "x").replace("{name}", "app.css")
    path = path.replace("{dimension}", "lane").replace("{subject}", "bulk")
    return re.sub(r"\{\w+_id\}", NOBODYS, path)


def unexpected(found: dict[str, int]) -> dict[str, int]:
    """What did not go through, of what may: there is nothing by `NOBODYS`, the owner has no phone to test with."""
    told = {entry.name: {404} for entry in HTTP if NOBODYS in _address(entry, "", "")}
    # There is no such studio, no such template, and nothing is paused.
    told |= {name: {404} for name in ("override_budget", "submit_template_again", "resume_work")}
    told |= {name: {409} for name in ("test_message", "send_test_message")} | {name: {422} for name in INCOMPLETE}
    told["look_at_channels"] = {202}  # it is done by a job
    # Who acts for no one studio is told to name one.
    told |= {name: {404, 422} for name in ("lead_coaching", "list_goals", "list_checkins", "complete_milestone")}
    told |= {name: {409} for name in ("sync_studio_templates", "sync_templates_by_page")}  # not on WhatsApp yet
    told |= {name: {503} for name in (*TRIGGERS, *TIMERS, "run_state")}  # Dagster is away
    return {name: status for name, status in found.items() if status not in told.get(name, {200, 201, 303})}


def all_of(entries: list[Route], status: int) -> dict[str, int]:
    return {entry.name: status for entry in entries}


def test_the_application_has_the_routes_of_the_table_and_no_other(client: TestClient) -> None:
    built = {(method, route.path) for route in client.app.routes for method in getattr(route, "methods", {"WS"})}
    expected = {(entry.method, entry.path) for entry in ROUTES if entry.answers != "door"}
    assert built == expected


def test_names_are_unique() -> None:
    assert len({entry.name for entry in ROUTES}) == len(ROUTES)


def test_every_route_is_public_by_intention_or_has_its_callers_named() -> None:
    assert {entry.name for entry in HTTP if entry.requires.is_public} == PUBLIC
    assert {entry.name: {str(kind) for kind in entry.requires.kinds} for entry in CLOSED} == MAY


def test_whatever_changes_something_needs_the_right_to_write() -> None:
    for entry in CLOSED:
        is_reading = entry.method == "GET" and entry.name not in TIMERS
        assert is_reading == (entry.requires.access is Access.READ), entry.name


def test_nobody_gets_in_without_a_credential(client: TestClient, house: House) -> None:
    assert answers(client, CLOSED, house.studio("North").workspace_id) == all_of(CLOSED, 401)


def test_an_unknown_token_gets_nobody_in(client: TestClient, house: House) -> None:
    headers = {"authorization": "Bearer pilar_token_made-up"}
    assert answers(client, CLOSED, house.studio("North").workspace_id, headers) == all_of(CLOSED, 401)


def test_an_expired_token_gets_nobody_in(client: TestClient, house: House) -> None:
    studio = house.studio("North")
    headers = house.bearer(Kind.ADMIN, lasts=timedelta(hours=1))
    house.real.advance(timedelta(hours=1))
    assert answers(client, CLOSED, studio.workspace_id, headers) == all_of(CLOSED, 401)


def test_a_revoked_token_gets_nobody_in(client: TestClient, house: House) -> None:
    studio, token = house.studio("North"), house.token(Kind.ADMIN)
    with house.app.database.transaction(Scope.fleet()) as connection:
        api_tokens.revoke(connection, token.id, actor="system", now=house.real.now())
    headers = {"authorization": f"Bearer {token.plain}"}
    assert answers(client, CLOSED, studio.workspace_id, headers) == all_of(CLOSED, 401)


@pytest.mark.parametrize("kind", [Kind.SYSTEM, Kind.OWNER, Kind.MEMBER])
def test_the_wrong_principal_is_refused_and_the_right_one_is_not(kind: Kind, client: TestClient, house: House) -> None:
    studio = house.studio("North")
    headers = house.bearer(kind, None if kind is Kind.SYSTEM else studio.workspace_id)
    refused = {name for name, status in answers(client, CLOSED, studio.workspace_id, headers).items() if status == 403}
    assert refused == {name for name, kinds in MAY.items() if kind not in kinds}


@pytest.mark.parametrize("kind", [Kind.OWNER, Kind.MEMBER])
def test_another_studios_people_are_refused(kind: Kind, client: TestClient, house: House) -> None:
    theirs, other = house.studio("North"), house.studio("South")
    headers = house.bearer(kind, theirs.workspace_id)
    assert answers(client, OF_STUDIO, other.workspace_id, headers) == all_of(OF_STUDIO, 403)


def test_another_studios_owner_is_refused_in_the_browser(browser: TestClient, house: House) -> None:
    theirs, other = house.studio("North"), house.studio("South")
    headers = {"x-csrf-token": house.sign_in(browser, theirs.owner)}
    assert answers(browser, OF_STUDIO, other.workspace_id, headers) == all_of(OF_STUDIO, 403)


def test_an_affiliate_reaches_what_is_theirs_and_nothing_else(browser: TestClient, house: House) -> None:
    own, other = house.affiliate("Bram"), house.affiliate("Cleo")
    studio = house.studio("North").workspace_id
    headers = {"x-csrf-token": house.sign_in(browser, house.person("bram@blog.test"))}
    found = answers(browser, CLOSED, studio, headers, own)
    assert {name for name, status in found.items() if status == 403} == {
        name for name, kinds in MAY.items() if "affiliate" not in kinds
    }
    assert {found[name] for name, kinds in MAY.items() if "affiliate" in kinds} == {200, 303}
    for foreign in (other, "not-an-id", "00000000-0000-7000-8000-000000000000"):
        assert answers(browser, OF_AFFILIATE, studio, headers, foreign) == all_of(OF_AFFILIATE, 403)
    making = [entry for entry in CLOSED if entry.name == "new_affiliate_link"]
    assert answers(browser, making, studio, headers, other) == all_of(making, 403)


@pytest.mark.slow
def test_an_owner_who_is_an_affiliate_too_is_both(browser: TestClient, house: House) -> None:
    studio, other = house.studio("North"), house.affiliate("Cleo")
    own = house.affiliate("Owner", email="owner@north.test")
    house.step(studio, "whatsapp_connection", "waiting", status="waiting", waits_on="studio")
    headers = {"x-csrf-token": house.sign_in(browser, studio.owner)}
    theirs = [entry for entry in CLOSED if MAY[entry.name] & {"owner", "affiliate"}]
    assert unexpected(answers(browser, theirs, studio.workspace_id, headers, own)) == {}
    assert answers(browser, OF_AFFILIATE, studio.workspace_id, headers, other) == all_of(OF_AFFILIATE, 403)


def test_studios_people_are_no_affiliates(client: TestClient, house: House) -> None:
    studio, affiliate = house.studio("North"), house.affiliate("Bram")
    headers = house.bearer(Kind.OWNER, studio.workspace_id)
    assert answers(client, OF_AFFILIATE, studio.workspace_id, headers, affiliate) == all_of(OF_AFFILIATE, 403)


def test_an_affiliates_form_without_its_token_changes_nothing(browser: TestClient, house: House) -> None:
    own = house.affiliate("Bram")
    house.sign_in(browser, house.person("bram@blog.test"))
    forms = [entry for entry in OF_AFFILIATE if entry.method == "POST"]
    assert answers(browser, forms, "x", affiliate_id=own) == all_of(forms, 403)


@pytest.mark.parametrize("name", ["not-an-id", "00000000-0000-7000-8000-000000000000"])
def test_what_is_no_studio_is_refused_like_a_foreign_one(name: str, client: TestClient, house: House) -> None:
    headers = house.bearer(Kind.OWNER, house.studio("North").workspace_id)
    assert answers(client, OF_STUDIO, name, headers) == all_of(OF_STUDIO, 403)


def test_a_token_that_may_only_read_changes_nothing(client: TestClient, house: House) -> None:
    headers = house.bearer(Kind.ADMIN, scopes=[Access.READ])
    assert answers(client, WRITING, house.studio("North").workspace_id, headers) == all_of(WRITING, 403)


@pytest.mark.parametrize(
    "foreign", [{"origin": "https://elsewhere.test"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}]
)
def test_a_signed_in_browser_changes_nothing_for_another_site(
    foreign: dict[str, str], browser: TestClient, house: House
) -> None:
    studio, founder = house.studio("North"), house.person("founder@pilar.test", is_founder=True)
    headers = {"x-csrf-token": house.sign_in(browser, founder), **foreign}
    # Mail programs press the button of a mail's link from wherever they are; the session has no part in it.
    everything = [entry for entry in HTTP if entry.method == "POST" and entry.name != "use_mail_link"]
    assert answers(browser, everything, studio.workspace_id, headers) == all_of(everything, 403)


def test_a_form_without_its_token_changes_nothing(browser: TestClient, house: House) -> None:
    studio = house.studio("North")
    house.sign_in(browser, studio.owner)
    forms = [entry for entry in OF_STUDIO if entry.method == "POST" and entry.forgery is Forgery.TOKEN]
    assert answers(browser, forms, studio.workspace_id) == all_of(forms, 403)
    assert answers(browser, forms, studio.workspace_id, {"x-csrf-token": "guessed"}) == all_of(forms, 403)


def test_the_founder_may_call_everything(client: TestClient, house: House) -> None:
    ours = [entry for entry in CLOSED if entry.answers != "proxy" and entry.name not in TIMERS]
    studio, affiliate = house.studio("North"), house.affiliate("Bram")
    house.step(studio, "whatsapp_connection", "waiting", status="waiting", waits_on="studio")
    found = answers(client, ours, studio.workspace_id, house.bearer(Kind.ADMIN), affiliate)
    assert unexpected(found) == {}


def test_public_routes_ask_for_no_credential(client: TestClient, house: House) -> None:
    public = [entry for entry in HTTP if entry.name in PUBLIC - {"sign_in"}]  # which says 401 to a wrong password
    assert not {401, 403} & set(answers(client, public, house.studio("North").workspace_id).values())


def test_dagsters_socket_opens_for_nobody_but_the_founder(browser: TestClient, house: House) -> None:
    house.sign_in(browser, house.studio("North").owner)
    with pytest.raises(WebSocketDisconnect) as refused, browser.websocket_connect("/dagster/graphql"):
        pass
    assert refused.value.code == 1008


def test_endpoints_about_a_studio_or_an_affiliate_name_it(client: TestClient) -> None:
    for entry in HTTP:
        parameters = inspect.signature(entry.endpoint).parameters
        assert not entry.of_workspace or "workspace_id" in parameters
        assert not entry.of_affiliate or "affiliate_id" in parameters


def test_a_service_can_be_built_twice(house: House) -> None:
    assert create_app(house.app) is not create_app(house.app)
