"""A step that waits is followed up: reminders once each, an end, and what wakes it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilar.database.engine import Scope
from pilar.errors import OutcomeUnknown
from pilar.providers.email.client import Mailer
from pilar.provisioning import store, waits
from pilar.provisioning.following import FollowedUp, follow_up
from pilar.provisioning.retry import retry
from pilar.provisioning.runner import wake
from pilar.upkeep import CHORES
from tests.fixtures.system import System
from tests.provisioning.test_a_studio_comes_into_being import walk_through_the_setup

DAY = timedelta(days=1)
FIRST, SECOND, THIRD = (timedelta(days=days, hours=12) for days in (1, 3, 7))
WAITS = "select status, waits_on, reminders, wait_round from provisioning_step where waits_on is not null"


def test_a_wait_has_its_reminders_its_look_and_its_end_in_business_time() -> None:
    begun = datetime(2026, 3, 2, 12, tzinfo=UTC)
    times = waits.times_of("studio", begun)
    assert (times.remind_at, times.expires_at, times.look_at) == (begun + DAY, begun + 14 * DAY, None)
    assert waits.reminders_due("studio", begun, begun + DAY) == (1, begun + 3 * DAY)
    assert waits.reminders_due("studio", begun, begun + 5 * DAY) == (2, begun + 7 * DAY)
    assert waits.reminders_due("studio", begun, begun + 7 * DAY) == (3, None)
    assert waits.times_of("meta", begun).look_at == begun + timedelta(hours=1)
    assert waits.times_of("studio", begun, "whatsapp_prerequisites").look_at == begun + timedelta(hours=6)
    for on, policy in waits.POLICIES.items():
        assert list(policy.after) == sorted(policy.after), on
        assert policy.after[-1] < policy.lasts, f"a reminder after the end of a wait on {on} is none"


@pytest.mark.parametrize(
    ("at", "morning"),
    [("12:00", "12:00"), ("19:59", "19:59"), ("20:30", "07:00"), ("02:15", "07:00")],
    ids=["noon", "evening", "night", "before dawn"],
)
def test_nobody_is_written_to_at_night(at: str, morning: str) -> None:
    """Amsterdam is an hour ahead in March, and its night is from 21 to 8."""
    moment = datetime.fromisoformat(f"2026-03-02T{at}+00:00")
    assert waits.decent(moment, ["Europe/Amsterdam"]).strftime("%H:%M") == morning


def _sweep(system: System) -> FollowedUp:
    clocks = system.app.clocks
    found = follow_up(system.database, clocks, deadline=clocks.real.now() + timedelta(minutes=1))
    system.settle()
    return found


def _at_the_owner(system: System, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A studio that waits for its owner, who does nothing; return when it began to, at noon."""
    system.travel_to(datetime.now(UTC).replace(hour=12, minute=0) + DAY)
    monkeypatch.setattr("provider_sandbox.owner.links_in", lambda _: [])  # this one reads no mail
    system.sandbox.sign_up()
    system.settle()
    assert [tuple(row) for row in system.rows(WAITS)] == [("waiting", "studio", 0, 1)]
    begun: datetime = system.column("select waits_from from provisioning_step where waits_on is not null")[0]
    return begun


def _link(system: System) -> str:
    with system.database.transaction(Scope.fleet()) as connection:
        return system.app.setup.link_of(connection, system.column("select workspace_id from provisioning_job")[0])


def _mails(system: System) -> int:
    return system.sandbox.effects().get("mail.sent", 0)


def test_an_owner_is_reminded_once_each_time_until_the_wait_is_over_in_vain_and_can_go_on(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = _at_the_owner(system, monkeypatch)
    assert _mails(system) == 1, "the link itself"
    assert _sweep(system) == FollowedUp()
    for number, after in enumerate((FIRST, SECOND, THIRD), start=1):
        system.travel_to(begun + after - timedelta(hours=12) + timedelta(minutes=1))
        assert _sweep(system).reminded == 1
        assert _sweep(system).reminded == 0
        assert _mails(system) == 1 + number
        assert system.sandbox.effects()["twilio.sms_sent"] == number, "from the studio's own number"
    system.travel_to(begun + 14 * DAY + timedelta(minutes=1))
    assert _sweep(system).expired == 1
    assert _sweep(system) == FollowedUp()
    assert _mails(system) == 5, "the owner is told that it has come to a halt"
    assert system.column("select state from provisioning_job") == ["expired"]
    assert system.column("select state from analytics.studio_overview") == ["expired"]
    assert system.rows("select title, severity from incident where severity = 'high'") == [
        ("Provisioning waits: WhatsApp account", "high")
    ]
    _retry(system)
    system.settle()
    assert [tuple(row) for row in system.rows(WAITS)] == [("waiting", "studio", 0, 2)]
    assert system.column("select status from incident") == ["resolved"], "it is followed again"
    assert system.column("select count(*) from analytics.open_incident") == [0]


def test_reminders_stop_when_the_owner_has_acted(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = _at_the_owner(system, monkeypatch)
    system.travel_to(begun + DAY + timedelta(minutes=1))
    clocks = system.app.clocks
    found = follow_up(system.database, clocks, deadline=clocks.real.now() + timedelta(minutes=1))
    assert found.reminded == 1, "it is asked for, and not sent yet"
    monkeypatch.undo()
    walk_through_the_setup(_link(system))
    system.settle()
    assert system.column("select state from workspace") == ["active"]
    assert _mails(system) == 1
    assert system.column("select count(*) from effect where kind = 'mail.setup_reminder'") == [0]


def test_a_reminder_that_was_refused_for_a_while_is_let_go_once_the_owner_has_acted(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = _at_the_owner(system, monkeypatch)
    system.travel_to(begun + DAY + timedelta(minutes=1))
    clocks = system.app.clocks
    follow_up(system.database, clocks, deadline=clocks.real.now() + timedelta(minutes=1))
    refused = {"provider": "twilio", "direction": "request", "kind": "rate_limited", "path": "*/Messages*"}
    system.sandbox.set_faults(1, [{**refused, "probability": 1.0}])
    with closing(system.app.drain("test")) as worker:
        worker.run_until_idle(system.clock.now() + timedelta(seconds=20))
    reminder = "select state, error from effect where kind = 'twilio.remind_owner'"
    assert system.rows(reminder)[0].state == "intent", "it did not happen, and may yet"
    system.sandbox.clear_faults()
    monkeypatch.undo()
    walk_through_the_setup(_link(system))
    system.settle()
    [let_go] = system.rows(reminder)
    # The reminder's turn comes while the step is under way, or after it.
    assert let_go.state == "failed"
    assert let_go.error in ("Not sent: the owner has acted.", "Not sent: the wait is over.")
    assert "twilio.sms_sent" not in system.sandbox.effects()
    assert _mails(system) == 2, "the link itself, and the reminder's mail"


def test_a_reminder_whose_mail_got_lost_half_way_carries_the_same_id(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = _at_the_owner(system, monkeypatch)
    original, ids = Mailer.send, []

    def send(self: Mailer, *message: Any) -> None:
        ids.append(message[-1])
        original(self, *message)
        if len(ids) == 1:
            raise OutcomeUnknown

    monkeypatch.setattr(Mailer, "send", send)
    system.travel_to(begun + DAY + timedelta(minutes=1))
    _sweep(system)
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert system.column("select state from effect where kind = 'mail.setup_reminder'") == ["confirmed"]


def test_an_upgrade_takes_up_waits_of_before(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    _at_the_owner(system, monkeypatch)
    with system.database.transaction(Scope.fleet()) as connection:
        connection.exec_driver_sql(
            "update provisioning_step set waits_from = null, remind_at = null, expires_at = null, wait_round = 0"
        )
    _sweep(system)
    assert system.column("select count(*) from provisioning_step where expires_at is not null") == [1]


def test_a_wake_up_that_was_lost_is_made_up_for(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has set what was missing, and nobody has told us."""
    settings = system.app.settings
    with monkeypatch.context() as patched:
        patched.setitem(settings.__dict__, "twilio_auth_token", None)
        system.sandbox.sign_up()
        system.settle()
        assert system.column("select waits_on from provisioning_step where waits_on is not null") == ["us"]
        system.business.advance(DAY + timedelta(minutes=1))
        assert _sweep(system).reminded == 1
        told = "select title, status, resolved_at is not null from incident"
        assert system.rows(told) == [("Provisioning waits: Twilio account", "open", False)]
    system.business.advance(timedelta(hours=1, minutes=1))
    assert _sweep(system).looked == 1
    assert system.column("select state from workspace") == ["active"]
    assert system.rows(told) == [("Provisioning waits: Twilio account", "resolved", True)], "the wait is over"
    woken = system.column("select woken_by from provisioning_step where name = 'whatsapp_connection'")[0]
    assert woken.startswith("setup:"), "what ended the wait is kept"


def test_the_worker_follows_up_without_dagster() -> None:
    assert "follow up waits" in {chore.name for chore in CHORES}


def _retry(system: System) -> None:
    studio = system.column("select workspace_id from provisioning_job")[0]
    with system.database.transaction(Scope.fleet()) as connection:
        retry(connection, system.app.clocks, studio, "admin:test")


def test_at_most_ten_of_a_studios_jobs_are_due_at_once(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    _at_the_owner(system, monkeypatch)
    with system.database.transaction(Scope.fleet()) as connection:
        job = store.job_of_workspace(connection, system.column("select workspace_id from provisioning_job")[0])
        for number in range(15):
            wake(connection, system.app.clocks, job, cause=f"test:{number}", correlation_id=job.correlation_id)
    turns = "select concurrency_key, concurrency_limit, count(*) from parked group by 1, 2"
    assert [tuple(row) for row in system.rows(turns)] == [(f"provisioning:{job.workspace_id}", 10, 15)]
    system.settle()
    assert system.column("select (select count(*) from queue) + (select count(*) from parked)") == [0]
    assert system.column("select woken_by from provisioning_step where waits_on is not null") == ["test:14"]
