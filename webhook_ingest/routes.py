"""Every route of the web service, in one table. What belongs here: address, principal, limits; no behaviour.

The application is built from it (`app.py`), and so are the authorisation tests: a route that is not here does not
exist, and one that is here is tested with everybody who may not call it.
"""

from __future__ import annotations

from pilar.security.principals import Access, Kind
from webhook_ingest import dagster_proxy
from webhook_ingest.api import description, health, provisioning, security
from webhook_ingest.dashboards import rendering, setup, sign_in, studios
from webhook_ingest.route import Forgery, Route, only
from webhook_ingest.webhooks import entrance

ADMIN = only(Kind.ADMIN)
OPERATIONS = only(Kind.ADMIN, Kind.SYSTEM)
STUDIO = only(Kind.ADMIN, Kind.SYSTEM, Kind.OWNER, Kind.MEMBER)
STUDIO_LEAD = only(Kind.ADMIN, Kind.OWNER)
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
    Route("GET", "/api/security/audit/{workspace_id}", security.workspace_audit, "workspace_audit", STUDIO_LEAD,
          summary="A studio's audit log, the newest first."),
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
    Route("POST", "/studios/{workspace_id}/retry", studios.retry_studio, "retry_studio", STUDIO_LEAD_WRITES,
          answers="page"),
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
