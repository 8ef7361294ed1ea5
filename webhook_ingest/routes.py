"""Every route of the web service, in one table. What belongs here: address, principal, limits; no behaviour.

The application is built from it (`app.py`), and so are the authorisation tests: a route that is not here does not
exist, and one that is here is tested with everybody who may not call it.
"""

from __future__ import annotations

from pilar.operator import triggers
from pilar.security.principals import Access, Kind
from webhook_ingest import dagster_proxy
from webhook_ingest.api import (
    affiliate,
    agent,
    autopilot,
    description,
    facts,
    health,
    messaging,
    operator,
    provisioning,
    security,
)
from webhook_ingest.api import coach as coach_api
from webhook_ingest.dashboards import (
    affiliates,
    calendar,
    coach,
    controls,
    conversations,
    experiments,
    messages,
    referral,
    rendering,
    rules,
    setup,
    sign_in,
    studios,
)
from webhook_ingest.route import Forgery, Route, only
from webhook_ingest.webhooks import entrance

ADMIN = only(Kind.ADMIN)
ADMIN_WRITES = only(Kind.ADMIN, access=Access.WRITE)
OPERATIONS_WRITE = only(Kind.ADMIN, Kind.SYSTEM, access=Access.WRITE)
TIMER = only(Kind.SYSTEM, access=Access.WRITE)
"""A host's timer, which sends GET with a program's token; nobody who comes with a browser."""
OPERATIONS = only(Kind.ADMIN, Kind.SYSTEM)
STUDIO = only(Kind.ADMIN, Kind.SYSTEM, Kind.OWNER, Kind.MEMBER)
STAFF_WRITES = only(Kind.ADMIN, Kind.OWNER, Kind.MEMBER, access=Access.WRITE)
"""People who answer leads: a program of ours has other ways to write."""
STUDIO_WRITES = only(Kind.ADMIN, Kind.SYSTEM, Kind.OWNER, Kind.MEMBER, access=Access.WRITE)
STUDIO_LEAD = only(Kind.ADMIN, Kind.OWNER)
AFFILIATE = only(Kind.ADMIN, Kind.AFFILIATE)
AFFILIATE_WRITES = only(Kind.ADMIN, Kind.AFFILIATE, access=Access.WRITE)
STUDIO_LEAD_WRITES = only(Kind.ADMIN, Kind.OWNER, access=Access.WRITE)

DOORS = (
    Route("POST", "/api/webhooks/stripe", entrance.Entrance, "stripe_webhook", answers="door",
          summary="Stripe's events, signed by Stripe."),
    Route("POST", "/api/provisioning/workspace", entrance.Entrance, "stripe_webhook_alias", answers="door",
          summary="Stripe's events at their other address."),
    Route("POST", "/api/webhooks/twilio/sms", entrance.Entrance, "twilio_sms", answers="door",
          summary="Messages to our numbers, signed by Twilio."),
    Route("POST", "/api/webhooks/twilio/status", entrance.Entrance, "twilio_status", answers="door",
          summary="What became of messages, signed by Twilio."),
    Route("POST", "/api/webhooks/whatsapp", entrance.Entrance, "whatsapp_webhook", answers="door",
          summary="WhatsApp's deliveries, signed by Meta."),
    Route("GET", "/api/webhooks/whatsapp", entrance.Entrance, "whatsapp_handshake", answers="door",
          summary="Meta's handshake: the challenge is answered as plain text."),
)  # fmt: skip

API = (
    Route("GET", "/api/health/autopilot", health.autopilot_health, "autopilot_health", is_unmetered=True,
          summary="Whether the system is well; public, for uptime monitors."),
    Route("GET", "/api/autopilot/health", health.autopilot_health, "autopilot_health_alias", is_unmetered=True,
          summary="Whether the system is well, at its other address."),
    Route("GET", "/api/autopilot/status", autopilot.autopilot_status, "autopilot_status", OPERATIONS,
          summary="How the background work stands: what waits, and each job's newest run."),
    Route("GET", "/api/autopilot/runs/{run_id}", autopilot.run_state, "run_state", OPERATIONS,
          summary="How one run of a background job stands."),
    *(Route(method, path, autopilot.asks_for(trigger), f"{name}{'_by_timer' * (method == 'GET')}",
            TIMER if method == "GET" else OPERATIONS_WRITE, status=202, summary=trigger.says,
            responses={409: "There is nothing to run it for, or somebody asks at this very moment.",
                       503: "Dagster is away; `Retry-After` says when to ask again."})
      for path, trigger, name in (
          ("/api/autopilot/scheduler", triggers.SCHEDULER, "run_scheduler"),
          ("/api/autopilot/run", triggers.RUN, "run_autopilot"),
          ("/api/autopilot/health/check", triggers.HEALTH_CHECK, "run_health_check"),
          ("/api/autopilot/budget/reset", triggers.BUDGET_RESET, "run_budget_reset"),
          ("/api/autopilot/cleanup", triggers.CLEAN_UP, "run_clean_up"),
      ) for method in ("POST", "GET")),
    Route("POST", "/api/autopilot/events", facts.new_event, "new_event", STUDIO_WRITES, status=201,
          of_own_studio=True, summary="Record an event; 1,000 per studio and hour at most.",
          responses={200: "It was there already.", 409: "The key stands for another event.",
                     422: "The type is not known, or the payload is not one of its.",
                     429: "Too many within the hour; `Retry-After` says when to go on."}),
    Route("POST", "/api/autopilot/jobs", facts.new_job, "new_job", STUDIO_WRITES, status=201,
          of_own_studio=True, summary="Have a job done; 500 per studio and hour at most.",
          responses={200: "It was there already.", 409: "The key stands for another job.",
                     422: "The type is not known, or the payload is not one of its.",
                     429: "Too many within the hour; `Retry-After` says when to go on."}),
    Route("GET", "/api/health/incidents", health.incidents, "list_incidents", OPERATIONS,
          summary="Incidents, the newest first."),
    Route("GET", "/api/provisioning/workspaces", provisioning.list_workspaces, "list_workspaces", OPERATIONS,
          summary="Studios and where they stand, the newest first."),
    Route("GET", "/api/provisioning/workspace/{workspace_id}/status", provisioning.workspace_status,
          "workspace_status", STUDIO, summary="One studio's provisioning, step by step."),
    Route("GET", "/api/provisioning/status/{workspace_id}", provisioning.workspace_status,
          "workspace_status_alias", STUDIO, summary="One studio's provisioning, at its other address."),
    Route("POST", "/api/provisioning/workspace/{workspace_id}/retry", provisioning.retry_workspace,
          "retry_workspace", STUDIO_LEAD_WRITES, summary="Try provisioning again from the step it stopped at."),
    Route("POST", "/api/provisioning/workspace/{workspace_id}/test-message", provisioning.send_test_message,
          "send_test_message", STUDIO_LEAD_WRITES, summary="Send a test message to the owner's phone."),
    Route("GET", "/api/messaging/{workspace_id}/messages/{message_id}/why", messaging.why_message, "why_message",
          STUDIO, summary="Why a message was sent, or was not."),
    Route("POST", "/api/operator/pause", operator.pause, "pause", ADMIN_WRITES,
          summary="Pause sending: in a studio, over a channel, or in the whole fleet."),
    Route("POST", "/api/operator/resume", operator.resume, "resume", ADMIN_WRITES,
          summary="End a pause; what it kept back is decided on again."),
    Route("POST", "/api/operator/dry-run", operator.dry_run, "dry_run", ADMIN_WRITES,
          summary="Begin or end a dry run: messages are decided on and recorded, and not sent."),
    Route("GET", "/api/ai-agent/analytics/{workspace_id}", agent.rule_analytics, "rule_analytics", STUDIO,
          summary="A studio's rules and what came of them."),
    Route("POST", "/api/ai-agent/evaluate/{workspace_id}", agent.evaluate_rules, "evaluate_rules", STUDIO_WRITES,
          summary="See which rule a text would meet and what would be answered; nothing is done."),
    Route("GET", "/api/whatsapp-coach/schedule/{workspace_id}", coach_api.coach_schedule, "coach_schedule", STUDIO,
          summary="When which kind of coaching message is due."),
    Route("PUT", "/api/whatsapp-coach/schedule/{workspace_id}", coach_api.change_coach_schedule,
          "change_coach_schedule", STUDIO_LEAD_WRITES, summary="Put another training logic in force."),
    Route("GET", "/api/whatsapp-coach/analytics/{workspace_id}", coach_api.coach_analytics, "coach_analytics", STUDIO,
          summary="What came of the coaching of the last thirty days."),
    Route("GET", "/api/security/audit/{workspace_id}", security.workspace_audit, "workspace_audit", STUDIO_LEAD,
          summary="A studio's audit log, the newest first."),
    Route("GET", "/api/affiliate/dashboard/{affiliate_id}", affiliate.dashboard, "affiliate_dashboard", AFFILIATE,
          summary="How an affiliate stands: balances, and links with what they have brought."),
    Route("GET", "/api/affiliate/ledger/{affiliate_id}", affiliate.ledger, "affiliate_ledger", AFFILIATE,
          summary="An affiliate's ledger, the newest entry first."),
    Route("POST", "/api/affiliate/links", affiliate.new_link, "new_affiliate_link", AFFILIATE_WRITES,
          summary="Make a link for an affiliate to spread."),
)  # fmt: skip

PAGES = (
    Route("GET", "/", sign_in.home, "home", answers="page"),
    Route("GET", "/sign-in", sign_in.sign_in_page, "sign_in_page", answers="page"),
    Route("POST", "/sign-in", sign_in.sign_in, "sign_in", answers="page", forgery=Forgery.ORIGIN),
    Route("GET", "/sign-in/link/{token}", sign_in.link_page, "sign_in_link_page", answers="page"),
    Route("POST", "/sign-in/link/{token}", sign_in.use_link, "use_sign_in_link", answers="page",
          forgery=Forgery.ORIGIN),
    Route("POST", "/sign-out", sign_in.sign_out, "sign_out", answers="page"),
    Route("GET", "/overview", studios.overview, "overview", ADMIN, answers="page"),
    Route("GET", "/studios/{workspace_id}", studios.studio, "studio", STUDIO, answers="page"),
    Route("GET", "/studios/{workspace_id}/set-up", studios.set_up_studio, "set_up_studio", STUDIO_LEAD,
          answers="page"),
    Route("POST", "/studios/{workspace_id}/retry", studios.retry_studio, "retry_studio", STUDIO_LEAD_WRITES,
          answers="page"),
    Route("GET", "/studios/{workspace_id}/conversations", conversations.inbox, "conversations", STUDIO,
          answers="page"),
    Route("GET", "/studios/{workspace_id}/conversations/{lead_id}", conversations.thread, "conversation", STUDIO,
          answers="page"),
    Route("POST", "/studios/{workspace_id}/conversations/{lead_id}/answer", conversations.answer, "answer_lead",
          STAFF_WRITES, answers="page"),
    Route("POST", "/studios/{workspace_id}/conversations/{lead_id}/take-over", conversations.take_over, "take_over",
          STAFF_WRITES, answers="page"),
    Route("POST", "/studios/{workspace_id}/conversations/{lead_id}/hand-back", conversations.hand_back, "hand_back",
          STAFF_WRITES, answers="page"),
    Route("GET", "/studios/{workspace_id}/messages", messages.messages, "messages", STUDIO, answers="page"),
    Route("POST", "/studios/{workspace_id}/test-message", messages.send_test, "test_message", STUDIO_LEAD_WRITES,
          answers="page"),
    Route("POST", "/studios/{workspace_id}/controls", controls.switch_studio, "switch_studio", STUDIO_LEAD_WRITES,
          answers="page"),
    Route("GET", "/controls", controls.fleet_controls, "fleet_controls", ADMIN, answers="page"),
    Route("POST", "/controls", controls.switch_fleet, "switch_fleet", ADMIN_WRITES, answers="page"),
    Route("GET", "/experiments", experiments.experiments, "experiments", ADMIN, answers="page"),
    Route("GET", "/experiments/{experiment_id}", experiments.experiment, "experiment", ADMIN, answers="page"),
    Route("POST", "/experiments/trial", experiments.start_trial, "start_trial_experiment", ADMIN_WRITES,
          answers="page"),
    Route("POST", "/experiments/{experiment_id}/stop", experiments.stop_experiment, "stop_experiment", ADMIN_WRITES,
          answers="page"),
    Route("GET", "/affiliates", affiliates.affiliates, "affiliates", ADMIN, answers="page"),
    Route("POST", "/affiliates", affiliates.add_affiliate, "add_affiliate", only(Kind.ADMIN, access=Access.WRITE),
          answers="page"),
    Route("GET", "/affiliates/{affiliate_id}", affiliates.affiliate, "affiliate", AFFILIATE, answers="page"),
    Route("POST", "/affiliates/{affiliate_id}/links", affiliates.add_link, "add_affiliate_link", AFFILIATE_WRITES,
          answers="page"),
    Route("GET", "/a/{code}", referral.follow_link, "follow_affiliate_link", answers="page"),
    Route("GET", "/studios/{workspace_id}/calendar", calendar.calendar, "calendar", STUDIO, answers="page"),
    Route("POST", "/studios/{workspace_id}/calendar/{booking_id}/cancel", calendar.cancel_booking, "cancel_booking",
          STAFF_WRITES, answers="page"),
    Route("GET", "/studios/{workspace_id}/rules", rules.rules, "rules", STUDIO, answers="page"),
    Route("POST", "/studios/{workspace_id}/rules/{rule_id}/active", rules.set_rule_active, "set_rule_active",
          STUDIO_LEAD_WRITES, answers="page"),
    Route("GET", "/studios/{workspace_id}/coach", coach.coach, "coach", STUDIO, answers="page"),
    Route("POST", "/studios/{workspace_id}/coach/{lead_id}", coach.change_coaching, "change_coaching",
          STUDIO_LEAD_WRITES, answers="page"),
    Route("GET", "/setup/callback", setup.setup_callback, "setup_callback", answers="page"),
    Route("GET", "/setup/{token}", setup.setup_page, "setup_page", answers="page"),
    Route("GET", "/openapi.json", description.openapi, "openapi", ADMIN, answers="file"),
    Route("GET", "/static/{name}", rendering.static_file, "static_file", answers="file", is_unmetered=True),
)  # fmt: skip

DAGSTER = (
    Route("GET", "/dagster/{path:path}", dagster_proxy.pass_on, "dagster_page", ADMIN, answers="proxy"),
    Route("POST", "/dagster/{path:path}", dagster_proxy.pass_on, "dagster_query",
          only(Kind.ADMIN, access=Access.WRITE), answers="proxy", forgery=Forgery.ORIGIN),
    Route("WS", "/dagster/graphql", dagster_proxy.socket_for, "dagster_socket",
          only(Kind.ADMIN, access=Access.WRITE), answers="socket"),
)  # fmt: skip

ROUTES = (*DOORS, *API, *PAGES, *DAGSTER)
