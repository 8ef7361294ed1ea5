"""The steps that make a studio out of a paid subscription, before and after its phone number.

What belongs here: customer validation, the workspace with its owner and configuration, and activation. The defaults
of agent, coach, messaging and calendar are their rooms' own; the composition root makes steps of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

import phonenumbers
from phonenumbers import timezone as phone_time_zones
from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, emit
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Invalid
from pilar.providers.stripe.client import StripeCheckout, StripeGateway, StripeSubscription
from pilar.provisioning.events import StudioActivated
from pilar.provisioning.own_channel import as_signed_up, in_e164
from pilar.provisioning.signup import PAID, ask
from pilar.provisioning.steps import Done, Job, Wait
from pilar.provisioning.subscription import SubscriptionKeeper, plan_of
from pilar.settings import Settings
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import StudioConfiguration, StudioProfile
from pilar.workspaces.plans import Plan, apply_grants
from pilar.workspaces.standing import Standing

LANGUAGES = {"NL": "nl", "BE": "nl", "DE": "de", "AT": "de", "CH": "de"}
"""The language a studio starts with where it is not English."""

OWN_NUMBER, OWN_ACCOUNT = "own_number", "own_account"

CAPITAL_ZONES = {
    "NL": "Europe/Amsterdam",
    "BE": "Europe/Brussels",
    "DE": "Europe/Berlin",
    "AT": "Europe/Vienna",
    "CH": "Europe/Zurich",
    "FR": "Europe/Paris",
    "ES": "Europe/Madrid",
    "GB": "Europe/London",
    "US": "America/New_York",
}


class WorkspaceSteps:
    """The steps that need Stripe or the workspace's own tables."""

    def __init__(
        self,
        database: Database,
        clocks: Clocks,
        stripe: StripeGateway,
        settings: Settings,
        keeper: SubscriptionKeeper,
    ) -> None:
        self._database = database
        self._clocks = clocks
        self._stripe = stripe
        self._settings = settings
        self._keeper = keeper

    def validate_customer(self, job: Job) -> Done | Wait:
        """Ask Stripe who has paid for what; don't trust the event that brought us here."""
        subscription = self._stripe.subscription(job.stripe_subscription_id)
        if subscription.status not in PAID:
            return Wait("stripe", f"The subscription is {subscription.status}: a payment has to come in first.")
        if subscription.customer.deleted:
            raise Invalid("The customer was deleted at Stripe.")
        plan = plan_of(subscription, self._settings)
        checkout = self._stripe.checkout_of(job.stripe_subscription_id)
        return Done({**_profile(subscription, checkout), "plan": plan.value})

    def create_workspace(self, connection: Connection, job: Job) -> Mapping[str, Any]:
        """Make the studio with its owner, plan, budgets and the first version of its configuration."""
        found = job.result("customer_validation")
        now, real_now = self._clocks.business.now(), self._clocks.real.now()
        plan = Plan(found["plan"])
        is_new = workspaces.upsert_workspace(
            connection,
            {
                "workspace_id": job.workspace_id,
                "name": found["studio_name"],
                "state": "provisioning",
                "plan": plan.value,
                "country": found["country"],
                "time_zone": found["time_zone"],
                "created_at": now,
            },
        )
        owner = workspaces.ensure_person(
            connection, email=found["email"], name=found["owner_name"], phone=found["phone"], now=real_now
        )
        workspaces.ensure_membership(connection, job.workspace_id, owner, "owner", now)
        as_signed_up(connection, self._clocks, job.workspace_id, dict(found))
        if not is_new:  # the step runs again by somebody's wish: what the studio has set since stays
            version, _ = workspaces.load_configuration(connection, job.workspace_id)
            return {"owner": str(owner), "configuration_version": version}
        document = StudioConfiguration(
            plan=plan,
            studio=StudioProfile(
                name=found["studio_name"],
                country=found["country"],
                time_zone=found["time_zone"],
                language=LANGUAGES.get(found["country"], "en"),
            ),
        )
        apply_grants(connection, job.workspace_id, plan, document.operator.overage)
        version = workspaces.save_configuration(
            connection,
            job.workspace_id,
            document,
            changed_by=audit.SYSTEM,
            note="as the studio signed up",
            now=now,
        )
        return {"owner": str(owner), "configuration_version": version}

    def activate(self, job: Job) -> Done | Wait:
        """Open the studio, once Stripe confirms that it is still paid for."""
        told = ask(self._stripe, self._clocks, job.stripe_subscription_id)
        subscription = told.subscription
        with self._database.transaction(Scope.fleet()) as connection:
            judged = self._keeper.keep(
                connection, job.workspace_id, told, Cause(job.correlation_id), f"activation:{told.read_at.isoformat()}"
            )
            if judged.standing is Standing.CLOSED:
                return Wait("studio", "The studio was closed: its subscription has been over for too long.")
            if subscription.status not in PAID:
                return Wait("stripe", f"The subscription is {subscription.status}: a payment has to come in first.")
            now = self._clocks.business.now()
            workspaces.set_state(connection, job.workspace_id, "active", activated_at=now)
            audit.tell(
                connection,
                job.workspace_id,
                key=f"activated:{job.id}",
                type="workspace.activated",
                text="Your studio is open: leads can write to its number.",
                now=now,
            )
            event = Event(
                payload=StudioActivated(workspace_id=job.workspace_id),
                key=str(job.id),
                aggregate=("workspace", str(job.workspace_id)),
                workspace_id=job.workspace_id,
            )
            emit(connection, self._clocks, [event], Cause(job.correlation_id))
        return Done({"status": subscription.status})


def _profile(subscription: StripeSubscription, checkout: StripeCheckout | None) -> dict[str, Any]:
    """Who signed up: what the checkout asked for first, then what the customer's record says."""
    customer = subscription.customer
    email = (checkout.email if checkout else None) or customer.email
    if not email:
        raise Invalid("Stripe knows no e-mail address of this customer, so the studio would have no owner.")
    owner_name = _line((checkout.name if checkout else None) or customer.name) or email.partition("@")[0]
    country = ((checkout.country if checkout else None) or customer.country or "NL").upper()
    phone = _e164((checkout.phone if checkout else None) or customer.phone, country)
    return {
        "email": email.strip().lower(),
        "owner_name": owner_name,
        "studio_name": _line(checkout.studio_name if checkout else None) or owner_name,
        "phone": phone,
        "country": country,
        "time_zone": _time_zone(checkout.time_zone if checkout else None, phone, country),
        **_brought(checkout),
    }


def _brought(checkout: StripeCheckout | None) -> dict[str, Any]:
    """What the checkout's metadata says that the studio brings: `own_number` names one, `own_account` says yes.

    One that can't be read is no reason to buy another: it is asked for again.
    """
    told = checkout.metadata if checkout else {}
    if number := told.get(OWN_NUMBER, "").strip():
        try:
            return {"brings": "number", "own_number": in_e164(number)}
        except Invalid:
            return {"brings": "number", "own_number": None}
    return {"brings": "account"} if told.get(OWN_ACCOUNT, "").strip().lower() in ("yes", "true", "1") else {}


def _line(text: str | None) -> str:
    """One line of at most 100 characters out of whatever somebody typed into a form."""
    return " ".join((text or "").split())[:100].strip()


def _e164(number: str | None, country: str) -> str | None:
    if not number:
        return None
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None  # a mistyped number is no reason to refuse a payment; the owner has an address
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _time_zone(given: str | None, phone: str | None, country: str) -> str:
    """The zone that was given; else the country's capital's; else the number's, if it leaves no doubt; else UTC."""
    if given and given in available_timezones():
        return given  # a checkout's field can hold anything: what is no zone counts as not given
    if country in CAPITAL_ZONES:
        return CAPITAL_ZONES[country]
    if phone:
        zones = phone_time_zones.time_zones_for_number(phonenumbers.parse(phone))
        if len(zones) == 1 and zones[0] != "Etc/Unknown":
            return str(zones[0])
    return "UTC"
