"""A month of studios' life in rows, and what goes wrong in it, for the assets to tell of. No assertions.

The rows are written by the rooms' own functions, none of which leaves work in the queue: what is told stays the same
however often it is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert

from pilar.affiliates import store as affiliates
from pilar.affiliates.attribution import attribute
from pilar.affiliates.ledger import Account, Kind, Transaction, post
from pilar.affiliates.links import Link, Visit, create_link, record_click
from pilar.affiliates.registration import register
from pilar.agents import store as agents
from pilar.agents.defaults import install_rules
from pilar.clocks import system_clocks
from pilar.coach import store as coach
from pilar.coach.composing import CAUSE
from pilar.coach.tables import coach_nudge
from pilar.database.engine import Scope
from pilar.experiments.assignment import Variant
from pilar.experiments.experiments import NewExperiment, assign, record_outcome, start
from pilar.experiments.store import Experiment
from pilar.ids import new_id
from pilar.messaging import store as messaging
from pilar.provisioning.tables import provisioning_job, provisioning_step
from pilar.workspaces.store import upsert_integration, upsert_subscription
from tests.pilar_pipelines.fleet import Fleet

TABLES = {
    "coach_activity": ("coach_activity", "coach_refusal"),
    "lead_engagement": ("lead_engagement", "coach_engagement"),
    "messaging_activity": ("messaging_day",),
    "messaging_cost": ("messaging_cost",),
    "rule_performance": ("rule_performance",),
    "experiment_results": ("experiment_variant", "experiment_result"),
    "commissions": ("workspace_commission",),
    "workspace_health_score": ("workspace_health_score",),
    "studio_overview": ("studio_overview", "studio_step"),
}
"""What each asset with a partition per studio makes in schema `analytics`."""

CHECKS = {
    "coach_activity": "every_studios_coaching_was_counted",
    "lead_engagement": "every_studios_leads_were_scored",
    "messaging_activity": "every_studios_messages_were_counted",
    "messaging_cost": "every_studios_costs_were_counted",
    "rule_performance": "every_studios_rules_were_judged",
    "experiment_results": "every_studios_experiments_were_judged",
    "commissions": "every_studios_commissions_were_booked",
    "workspace_health_score": "every_studio_was_scored",
    "studio_overview": "every_studio_was_refreshed",
}
"""The check of each that turns red when a studio fails."""

BROKEN = {
    "coach_activity": (
        (
            "update message set verdict = jsonb_set(verdict, '{decision,reasons}', '7')"
            " where workspace_id = :it and origin = 'coach:weekly_checkin'"
        ),
    ),
    "lead_engagement": ("update coach_enrolment set frequency = 'hourly' where workspace_id = :it",),
    # A clock that was wrong by decades.
    "messaging_activity": ("update message set received_at = '1970-01-01' where workspace_id = :it",),
    "messaging_cost": ("update message set cost_micro = 9223372036854775807 where workspace_id = :it",),
    "rule_performance": (
        (
            "update message set state = 'refused' where workspace_id = :it and origin = 'rule:prices'"
            " and accepted_at is not null"
        ),
    ),
    "experiment_results": ("update experiment_exposure set variant = 'gone' where workspace_id = :it",),
    "commissions": ("update commission set base_minor = 9223372036854775807 where workspace_id = :it",),
    "workspace_health_score": (
        "update integration set state = 'failed' where workspace_id = :it and provider = 'twilio'",
        (
            "update health_check set consecutive_failures = 2147483647"
            " where workspace_id = :it and component = 'twilio_integration'"
        ),
    ),
    "studio_overview": ("update workspace set state = 'on holiday' where workspace_id = :it",),
}
"""What makes a studio's data such that the asset can't be made of them."""

PAID_MINOR = 10_000
"""What the first studio pays each month; each after it pays as much more."""

_VARIANTS = (Variant("short", 1), Variant("long", 1))
_KEY = b"k" * 32


@dataclass
class Life:
    """What happens in the studios of a fleet."""

    fleet: Fleet

    def live(self, studios: Sequence[UUID]) -> None:
        """Have a lead be answered and coached in the first studio, one more in each after it, and one refused in each.

        Each studio is complete, tries something out in an experiment, and has come by an affiliate's link.
        """
        for number, studio in enumerate(studios, start=1):
            with self.fleet.database.transaction(Scope.fleet()) as connection:
                _Studio(connection, studio, system_clocks().business.now()).live(number, self._link)

    def try_out(self, studio: UUID | None, units: Iterable[tuple[UUID, str]]) -> Experiment:
        """Run an experiment of a studio's, or of the founder's, on units of studios; the first of them is won."""
        with self.fleet.database.transaction(Scope.fleet()) as connection:
            return _try_out(connection, studio, list(units), subject="greeting")

    def spoil(self, studio: UUID, *assets: str) -> None:
        """Make the studio one of which these assets can't be made."""
        for asset in assets:
            for statement in BROKEN[asset]:
                self.fleet.change(statement, it=studio)

    def forget(self) -> None:
        """Empty the tables that assets make of studios."""
        for table in (table for made in TABLES.values() for table in made):
            self.fleet.change(f"delete from analytics.{table}")

    def told(self, asset: str) -> dict[UUID, list[Any]]:
        """What an asset tells of each studio, without when it was made."""
        return self._read(asset, "to_jsonb(row) - 'refreshed_at' - 'scored_at'")

    def made_at(self, asset: str) -> dict[UUID, Any]:
        """When what an asset tells of each studio was made."""
        made = self._read(asset, "coalesce(to_jsonb(row) ->> 'refreshed_at', to_jsonb(row) ->> 'scored_at', '')")
        return {studio: max(moment for _, moment in rows) for studio, rows in made.items()}

    def _read(self, asset: str, what: str) -> dict[UUID, list[Any]]:
        found: dict[UUID, list[Any]] = {}
        for table in TABLES[asset]:
            for studio, row in self.fleet.rows(f"select workspace_id, {what} from analytics.{table} row order by 1, 2"):
                found.setdefault(studio, []).append((table, row))
        return found

    @cached_property
    def _link(self) -> Link:
        with self.fleet.database.transaction(Scope.fleet()) as connection:
            clocks = system_clocks()
            affiliate = register(connection, clocks, name="Bram Blogger", email="bram@blog.example", actor="system")
            return create_link(connection, clocks, affiliate, actor="system")


@dataclass
class _Studio:
    """One studio, on the connection that writes its life."""

    connection: Connection
    id: UUID
    now: datetime

    def live(self, leads: int, link: Link) -> None:
        self._was_made()
        install_rules(self.connection, self.id, self.now)
        asking = [self._lead(f"user-{number}") for number in range(leads)]
        for lead in asking:
            self._asks(lead, "delivered")
            self._writes(lead, "Thank you!", timedelta(hours=1))
        self._is_coached(asking[0])
        stopping = self._lead("stops")
        self._asks(stopping, "refused")
        stop = {"scope": "all", "granted": False, "source": "keyword", "proof": "STOP", "recorded_at": self.now}
        messaging.add_consent(self.connection, self.id, stopping, stop)
        _try_out(self.connection, self.id, [(self.id, str(lead)) for lead in asking], subject="rule:trial")
        self._pays(PAID_MINOR * leads, link)

    def _was_made(self) -> None:
        for provider in ("twilio", "whatsapp"):
            upsert_integration(self.connection, self.id, provider, now=self.now, state="connected")
        job = {
            "workspace_id": self.id, "id": new_id(), "steps_version": 1, "state": "completed",
            "stripe_subscription_id": f"sub_{self.id}", "stripe_customer_id": f"cus_{self.id}",
            "correlation_id": new_id(), "setup_token_hash": self.id.bytes, "sealed_setup_token": b"",
            "setup_round": 0, "created_at": self.now, "completed_at": self.now,
        }  # fmt: skip
        step = {
            "workspace_id": self.id, "job_id": job["id"], "name": "activation", "ordinal": 1, "status": "completed",
            "attempts": 1, "started_at": self.now, "completed_at": self.now,
        }  # fmt: skip
        self.connection.execute(insert(provisioning_job).values(job))
        self.connection.execute(insert(provisioning_step).values(step))

    def _lead(self, user: str) -> UUID:
        who = {"phone": None, "name": None, "language": "en", "country": None, "time_zone": "UTC",
               "lifecycle": "lead", "source": "whatsapp", "created_at": self.now}  # fmt: skip
        return messaging.ensure_lead(self.connection, self.id, user, who)

    def _asks(self, lead: UUID, state: str) -> None:
        """The lead asks for the prices, and is answered within one and a half seconds, or not at all."""
        question = self._writes(lead, "What does it cost?", timedelta(hours=2))
        rule = agents.find_rule(self.connection, self.id, "prices")
        assert rule is not None
        answer = self._message(
            lead, timedelta(hours=2), state, direction="out", origin="rule:prices", category="service", text="A lot.",
            reply_to=question,
        )  # fmt: skip
        fired = {"message_id": question, "rule_id": rule.id, "rule_version": rule.version, "lead_id": lead,
                 "answer_id": answer, "fired_at": self.now - timedelta(hours=2), "latency_ms": 5}  # fmt: skip
        agents.add_firing(self.connection, {"workspace_id": self.id, **fired})

    def _writes(self, lead: UUID, text: str, ago: timedelta) -> UUID:
        return self._message(lead, ago, "received", direction="in", origin="lead", text=text)

    def _message(self, lead: UUID, ago: timedelta, state: str, **values: Any) -> UUID:
        at, identity = self.now - ago, new_id()
        if values["direction"] == "in":
            values |= {"received_at": at}
        else:
            why = [{"code": "quiet_hours"}] if state == "refused" else []
            facts = {"window_closes_at": (at + timedelta(hours=24)).isoformat(), "zones": []}
            values |= {"verdict": {"facts": facts, "decision": {"form": "text", "reasons": why}}}
        if state == "delivered":
            values |= {"attempted_at": at, "accepted_at": at + timedelta(seconds=1.5)}
            if values["direction"] == "out":
                values |= {"cost_micro": 50_000, "cost_currency": "EUR"}
        given = {"id": identity, "cause": str(identity), "kind": "text", "occurred_at": at, **values}
        messaging.add_message(self.connection, {"workspace_id": self.id, "lead_id": lead, "state": state, **given})
        return identity

    def _is_coached(self, lead: UUID) -> None:
        """A nudge was sent, which the lead has answered since, and another refused."""
        coach.enrol(self.connection, self.id, lead, self.now, {"frequency": "daily", "motivation_style": "encouraging"})
        ago = timedelta(minutes=90)
        for kind, state in (("morning_nudge", "delivered"), ("weekly_checkin", "refused")):
            nudge = new_id()
            values = {
                "workspace_id": self.id, "id": nudge, "lead_id": lead, "type": kind, "time_zone": "UTC",
                "local_day": (self.now - ago).date(), "due_at": self.now - ago, "planned_at": self.now,
            }  # fmt: skip
            self.connection.execute(insert(coach_nudge).values(values))
            message = self._message(
                lead, ago, state, direction="out", origin=f"coach:{kind}", category="marketing", text="Up!",
                cause=f"{CAUSE}{nudge}",
            )  # fmt: skip
            coach.change_nudge(self.connection, self.id, nudge, {"message_id": message})

    def _pays(self, amount: int, link: Link) -> None:
        """Two months are paid: what the first has earned is past its holding period."""
        clocks, subscription = system_clocks(), f"sub_{self.id}"
        paid = {"stripe_subscription_id": subscription, "stripe_customer_id": f"cus_{self.id}", "status": "active",
                "plan": "PRO", "amount_minor": amount, "currency": "EUR", "cancel_at_period_end": False,
                "read_at": self.now}  # fmt: skip
        upsert_subscription(self.connection, self.id, paid)
        click = record_click(self.connection, clocks, link.code, Visit("192.0.2.1"), _KEY)
        conversion = attribute(
            self.connection, click.id, subscription_id=subscription, customer_id=f"cus_{self.id}", payer_email=None,
            signed_up_at=self.now,
        )  # fmt: skip
        assert conversion is not None
        for month in (0, 1):
            at = self.now - timedelta(days=31 - 30 * month)
            commission, invoice, earned = new_id(), f"in_{self.id}_{month}", amount // 5
            values = {
                "affiliate_id": link.affiliate_id, "id": commission, "conversion_id": conversion.id,
                "stripe_invoice_id": invoice, "base_minor": amount, "refunded_minor": 0, "currency": "EUR",
                "rate_basis_points": 2_000, "amount_minor": earned, "held_until": at + timedelta(days=30),
                "created_at": at, "read_at": at,
            }  # fmt: skip
            affiliates.insert_commission(self.connection, values)
            entry = Transaction(
                affiliate_id=link.affiliate_id, commission_id=commission, kind=Kind.EARNED, cause=f"earned:{invoice}",
                amount_minor=earned, currency="EUR", source=Account.PROGRAMME_EXPENSE, to=Account.HELD, posted_at=at,
            )  # fmt: skip
            post(self.connection, [entry])


def _try_out(
    connection: Connection, studio: UUID | None, units: Sequence[tuple[UUID, str]], *, subject: str
) -> Experiment:
    new = NewExperiment(
        name="Short or long", subject=subject, goal="booking.made", variants=_VARIANTS, created_by="test",
        workspace_id=studio, salt="short or long",  # one that is known: shares that are dealt by chance look broken at times
    )  # fmt: skip
    clocks = system_clocks()
    experiment = start(connection, clocks, new)
    for whose, unit in units:
        assign(connection, clocks, whose, experiment, unit)
    whose, unit = units[0]
    record_outcome(connection, clocks, whose, new.goal, unit)
    return experiment
