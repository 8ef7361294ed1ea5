"""What the pages read: the newest truth, from schema analytics alone, in whatever order it was refreshed."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Job, enqueue
from pilar.backplane.handlers import Transactional
from pilar.backplane.notices import IncidentRequested
from pilar.clocks import ManualClock
from pilar.database.engine import Database, Scope
from pilar.errors import Invalid, NotFound, Permanent, Transient
from pilar.health.incidents import open_incident
from pilar.operator import overview, projection
from pilar.operator.tables import fleet_overview, studio_overview, studio_step
from pilar.providers.stripe.client import StripeGateway, StripeSubscription
from pilar.providers.twilio.client import TwilioGateway
from pilar.provisioning.events import ReconcileSubscription
from pilar.provisioning.retry import retry
from pilar.workspaces import store as workspaces
from tests.fixtures.system import System
from tests.fixtures.work import Bench, Happened
from tests.operator.conftest import NOW, Signups

PATIENCE = 60.0


def _rows(database: Database) -> list[Any]:
    with database.transaction(Scope.analyst()) as connection:
        return [
            *connection.execute(select(studio_overview).order_by("workspace_id")),
            *connection.execute(select(studio_step).order_by("workspace_id", "ordinal")),
        ]


def test_a_studio_is_on_the_overview_from_its_signup_on(signups: Signups) -> None:
    job = signups.begin()
    assert signups.refresh(job.workspace_id) == 1
    line = signups.line(job.workspace_id)
    assert (line.name, line.state, line.plan) == ("New studio", "running", None)
    assert (line.step, line.step_title, line.steps_done, line.steps_total) == (
        "customer_validation",
        "Customer validation",
        0,
        3,
    )
    found = {"studio_name": "Noord", "plan": "BASIC"}
    signups.change(job, "customer_validation", "running", status="completed", result=found)
    waits = {"waits_on": "us", "wait_reason": "a key is missing", "wait_since": NOW}
    signups.change(job, "default_ai_agent", "waiting", status="waiting", error="no key", **waits)
    signups.refresh(job.workspace_id)
    line = signups.line(job.workspace_id)
    assert (line.name, line.state, line.plan, line.step_title) == ("Noord", "waiting", "BASIC", "AI agent")
    assert (line.waits_on, line.wait_reason, line.wait_since, line.step_error) == (*waits.values(), "no key")


def test_a_studios_page_tells_what_it_is_made_of_and_what_happened(signups: Signups, database: Database) -> None:
    job = signups.begin()
    studio = job.workspace_id
    signups.make(job, "Noord", state="active")
    with database.transaction(Scope.fleet()) as connection:
        workspaces.upsert_integration(connection, studio, "twilio", now=NOW, state="connected", phone_number="+311")
        workspaces.upsert_integration(connection, studio, "whatsapp", now=NOW, state="pending")
        for hour in range(25):
            moment = NOW + timedelta(hours=hour)
            audit.tell(connection, studio, key=str(hour), type="x", text=f"Hour {hour}.", now=moment)
        connection.execute(text("update provisioning_step set title = null"))
    signups.refresh(studio)
    with database.transaction(Scope.workspace(studio)) as connection:
        page = overview.studio_page(connection, studio)
    assert (page.studio.name, page.studio.state, page.phone_number) == ("Noord", "active", "+311")
    assert page.integrations == {"twilio": "connected", "whatsapp": "pending"}
    assert page.activity[0] == (NOW + timedelta(hours=24), "Hour 24.")
    assert len(page.activity) == 20
    assert [step.title for step in page.steps] == ["Customer validation", "Default ai agent", "Activation"]
    assert page.refreshed_at == NOW


def test_refreshing_again_changes_nothing(signups: Signups, database: Database) -> None:
    studios = [signups.begin().workspace_id for _ in range(3)]
    signups.refresh(*studios)
    before = _rows(database)
    assert signups.refresh(*studios, studios[0]) == 3
    assert _rows(database) == before


def test_the_last_refresh_is_the_newest_though_it_began_before_the_last_change(
    signups: Signups, database: Database
) -> None:
    """It has to wait for another one, and what it waited for must not make it late."""
    job = signups.begin()
    studio = job.workspace_id
    signups.refresh(studio)
    second = threading.Thread(target=signups.refresh, args=(studio,))
    with database.transaction(Scope.fleet()) as first:
        projection.refresh_studios(first, signups.clocks, [studio])
        signups.change(job, "customer_validation", "waiting", status="waiting")
        second.start()
        deadline = time.monotonic() + PATIENCE
        with database.transaction(Scope.fleet()) as connection:
            while not signups.waiting_for_a_lock(connection):
                assert time.monotonic() < deadline, "the second refresh does not wait for the first"
        signups.change(job, "customer_validation", "failed", status="failed")
    second.join(PATIENCE)
    assert signups.line(studio).state == "failed"


def test_sets_of_studios_in_any_order_do_not_wait_for_each_other_in_a_ring(signups: Signups) -> None:
    studios = [signups.begin().workspace_id for _ in range(20)]
    failed: list[Exception] = []

    def refresh(*wanted: Any) -> None:
        try:
            for _ in range(10):
                signups.refresh(*wanted)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=refresh, args=studios[::step]) for step in (1, -1, 3, -3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert failed == []


def test_a_handler_gives_way_to_who_may_have_read_before_its_event(
    signups: Signups, bench: Bench, database: Database
) -> None:
    job = signups.begin()
    bench.registry.on_event(Happened, "shown", Transactional(projection.OverviewKeeper(bench.clocks).on_studio))
    with database.transaction(Scope.fleet()) as other:
        projection.refresh_studios(other, signups.clocks, [job.workspace_id])
        signups.change(job, "customer_validation", "failed", status="failed")
        bench.tell("it failed", workspace_id=job.workspace_id)
        assert bench.run() == 1
        assert bench.one("select attempts from scheduled") == 0, "it was put off, and that is no attempt"
    assert signups.line(job.workspace_id).state == "running"
    bench.real.advance(timedelta(seconds=1))
    bench.run()
    assert signups.line(job.workspace_id).state == "failed"


@pytest.mark.parametrize(
    "broken", ["state = 'on holiday'", "activated_at = 'infinity'", "state = 'active', activated_at = '-infinity'"]
)
def test_a_studio_that_can_not_be_shown_keeps_its_last_good_row(
    signups: Signups, database: Database, broken: str
) -> None:
    job = signups.begin()
    signups.make(job, "Noord")
    signups.refresh(job.workspace_id)
    before = _rows(database)
    with database.transaction(Scope.fleet()) as connection:
        connection.execute(text(f"update workspace set name = 'South', {broken}"))
    with pytest.raises(Invalid, match="can't be shown"):
        signups.refresh(job.workspace_id)
    assert _rows(database) == before


def test_the_pages_need_no_more_than_the_analysts_role_and_a_studio_sees_itself_alone(
    signups: Signups, database: Database
) -> None:
    north, south = signups.begin().workspace_id, signups.begin().workspace_id
    signups.refresh(north, south)
    with database.transaction(Scope.analyst()) as connection:
        assert [line.workspace_id for line in overview.list_studios(connection)] == [south, north]
        assert [line.workspace_id for line in overview.list_studios(connection, after=south, limit=1)] == [north]
        assert overview.studio_page(connection, north).studio.workspace_id == north
        assert overview.totals(connection) == overview.Totals(active=0, running=2, waiting=0, failed=0)
        assert overview.open_incidents(connection, limit=1) == ([], 0)
        assert overview.looked_over_at(connection) is None
    with database.transaction(Scope.workspace(south)) as connection:
        assert [line.workspace_id for line in overview.list_studios(connection)] == [south]
        with pytest.raises(NotFound):
            overview.studio_page(connection, north)


def _incident(signups: Signups, studio: Any, key: str) -> None:
    request = IncidentRequested(dedupe_key=key, title=key, description="d", severity="high", component="c")
    with signups.database.transaction(Scope.fleet()) as connection:
        open_incident(connection, request, studio, None, NOW)


def test_the_fleet_is_told_in_figures_with_what_is_the_matter_at_present(
    signups: Signups, database: Database, real: ManualClock
) -> None:
    job, other = signups.begin(), signups.begin()
    signups.make(job, "Noord", state="active")
    signups.change(other, "customer_validation", "failed", status="failed")
    signups.refresh(job.workspace_id, other.workspace_id)
    for key in ("one", "two", "two"):
        _incident(signups, job.workspace_id, key)
    _incident(signups, None, "three")
    with database.transaction(Scope.fleet()) as connection:
        figures = projection.refresh_fleet(connection, signups.clocks)
    assert figures == {
        "active": 1, "running": 0, "waiting": 0, "failed": 1, "suspended": 0, "closed": 0, "open_incidents": 3,
    }  # fmt: skip
    with database.transaction(Scope.fleet()) as connection:
        connection.execute(text("update incident set status = 'resolved' where title = 'one'"))
        real.advance(timedelta(minutes=5))
        assert projection.refresh_fleet(connection, signups.clocks)["open_incidents"] == 2
    with database.transaction(Scope.analyst()) as connection:
        (newest,), count = overview.open_incidents(connection, limit=1)
        found, _ = overview.open_incidents(connection, limit=9)
        assert overview.looked_over_at(connection) == NOW + timedelta(minutes=5)
        assert connection.execute(select(fleet_overview.c.id)).scalars().all() == [1]
    assert (newest.title, count) == ("three", 2)
    assert [(one.studio_name, one.occurrences) for one in found] == [(None, 1), ("Noord", 2)]


def test_studios_without_a_partition_are_found(signups: Signups, database: Database) -> None:
    paid, unseen, closed, open_ = (signups.begin() for _ in range(4))
    for job in (unseen, closed, open_):
        signups.make(job, "Studio", state="active")
    signups.refresh(paid.workspace_id, closed.workspace_id, open_.workspace_id)
    with database.transaction(Scope.fleet()) as connection:
        workspaces.set_state(connection, closed.workspace_id, "closed")
        found = projection.overlooked_studios(connection)
        assert found == [paid.workspace_id, unseen.workspace_id, closed.workspace_id]
        projection.refresh_studios(connection, signups.clocks, found)
        assert projection.overlooked_studios(connection) == [paid.workspace_id], "it is made within minutes"


def test_events_alone_keep_the_overview(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(system.app.settings.__dict__, "smtp_url", None)
    system.sandbox.sign_up("Studio Noord", seed=1)
    system.settle()
    (row,) = system.rows("select * from analytics.studio_overview")
    assert (row.name, row.state, row.step, row.waits_on) == (
        "Studio Noord", "waiting", "whatsapp_connection", "studio",
    )  # fmt: skip
    assert (row.steps_done, row.subscription_status) == (9, None)
    monkeypatch.undo()
    with system.database.transaction(Scope.fleet()) as connection:
        retry(connection, system.app.clocks, row.workspace_id, "admin:test")
    system.settle()
    (row,) = system.rows("select * from analytics.studio_overview")
    assert (row.state, row.step, row.steps_done, row.waits_on) == ("active", None, 16, None)
    assert row.subscription_status == "active"
    assert row.integrations == {"twilio": "connected", "whatsapp": "connected"}
    assert row.phone_number.startswith("+")
    assert [told["text"] for told in row.activity] == ["Your studio is open: leads can write to its number."]
    assert set(system.column("select status from analytics.studio_step")) == {"completed"}
    assert system.rows("select title, ordinal from analytics.studio_step order by ordinal") == [
        (step.title, number) for number, step in enumerate(system.app.steps, start=1)
    ]
    kept = {(row.name, row.status, row.attempts) for row in system.rows("select * from analytics.studio_step")}
    assert kept == set(system.rows("select name, status, attempts from provisioning_step"))


def test_a_failed_step_and_its_incident_are_on_the_overview_and_so_is_the_click(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> Any:
        raise Permanent("Twilio has suspended the parent account.")

    monkeypatch.setattr(TwilioGateway, "create_subaccount", refuse)
    system.sandbox.sign_up()
    system.settle()
    (row,) = system.rows("select * from analytics.studio_overview")
    assert (row.state, row.step_error) == ("failed", "Twilio has suspended the parent account.")
    (trouble,) = system.rows("select * from analytics.open_incident")
    assert (trouble.title, trouble.workspace_id) == ("Provisioning is stuck: Twilio account", row.workspace_id)
    assert trouble.studio_name == row.name
    monkeypatch.undo()
    with system.database.transaction(Scope.fleet()) as connection:
        retry(connection, system.app.clocks, row.workspace_id, "admin:test")
    system.settle()
    assert system.column("select state from analytics.studio_overview") == ["active"]


def test_no_secret_is_in_schema_analytics(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(system.app.settings.__dict__, "smtp_url", None)
    system.sandbox.sign_up()
    system.settle()
    with system.database.transaction(Scope.fleet()) as connection:
        (studio,) = system.app.overview.list_studios(connection)
    assert studio.step
    link = studio.step.wait_link or ""
    token = link.rsplit("/", 1)[1]
    assert token.startswith("setup_")
    for (name,) in system.rows("select table_name from information_schema.tables where table_schema = 'analytics'"):
        for row in system.rows(f'select * from analytics."{name}"'):
            assert token not in str(row)


def test_what_stripe_says_of_an_open_studio_is_on_its_page(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = system.sandbox.sign_up()
    system.settle()
    original = StripeGateway.subscription

    def past_due(self: StripeGateway, subscription_id: str) -> StripeSubscription:
        return replace(original(self, subscription_id), status="past_due")

    monkeypatch.setattr(StripeGateway, "subscription", past_due)
    with system.database.transaction(Scope.fleet()) as connection:
        job = Job(payload=ReconcileSubscription(subscription_id=ids["subscription"]), key="again")
        enqueue(connection, system.app.clocks, [job], Cause.new())
    system.settle()
    assert system.column("select subscription_status from analytics.studio_overview") == ["past_due"]


def test_an_attempt_that_failed_is_on_the_page_while_it_waits_for_the_next(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, seen = TwilioGateway.create_subaccount, []

    def away(self: TwilioGateway, name: str) -> Any:
        seen.extend(system.rows("select state, step_error, steps_done from analytics.studio_overview"))
        if len(seen) < 3:
            raise Transient("no answer")
        return original(self, name)

    monkeypatch.setattr(TwilioGateway, "create_subaccount", away)
    system.sandbox.sign_up()
    system.settle()
    assert seen[1:] == [("running", "no answer", 6)] * 2
    assert system.column("select state from analytics.studio_overview") == ["active"]
