"""What happens: one studio's life from the payment to the refund, told to a driver.

What belongs here: what people do and when, by business time. What does not: who they are (`cast.py`), how the product
gets round to it (`driver.py`), what came of it (`state.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from benchmarks.story import cast
from benchmarks.story.driver import Driver
from benchmarks.story.stage import Stage
from pilar.affiliates.maturing import refresh_balances, refresh_commissions
from pilar.clocks import SystemClock
from pilar.database.engine import Scope
from pilar.experiments.results import refresh_fleet_results, refresh_results
from pilar.workspaces.chunks import in_chunks
from pilar_cli.demo.access import FOUNDER, Access
from pilar_cli.demo.clockwork import HOURLY, Work
from pilar_cli.demo.living import Office, Owners, follow
from pilar_cli.founder import sign_in_link

AFTERWARDS: Sequence[Work] = (refresh_commissions, refresh_results)
"""What Dagster's schedules have done by then."""

_STUDIOS = "select workspace_id from workspace order by name"
_NUMBERS = """
select w.name, i.phone_number from workspace w join integration i using (workspace_id) where i.provider = 'whatsapp'
"""


def tell(on: Stage, driver: Driver) -> None:
    """Have it all happen.

    Raises:
        Restless: the product does not come to rest.
        PilarError: something that people rely on can't be done.
    """
    system = on.system
    sandbox = system.sandbox
    access = Access(system.app.settings, system.database, sandbox_port=0)
    system.travel_to(cast.SIGNED_UP)
    office = Office(on.url, sign_in_link(system.database, on.url, FOUNDER, "Founder", SystemClock().now()))
    try:
        _, link = office.invite_affiliate()
        first = sandbox.sign_up(
            cast.STUDIO, email="owner@story.example", client_reference_id=follow(on.url, link), seed=1
        )
        sandbox.sign_up(cast.SMALL_STUDIO, email="owner@novel.example", plan="BASIC", phone="+31200009998", seed=2)
        driver.settle()
        system.travel_to(cast.SIGNED_UP + cast.HELD_FOR)
        sandbox.refund(invoice=first["invoice"], amount=cast.REFUNDED_MINOR)
        driver.settle()
        office.start_experiment()
        _live_a_day(on, driver, access)
        for work in AFTERWARDS:
            _do(on, work)
        with system.database.transaction(Scope.fleet()) as connection:
            refresh_fleet_results(connection, system.app.clocks)
            refresh_balances(connection, system.app.clocks)
        driver.settle()
    finally:
        office.close()


def _live_a_day(on: Stage, driver: Driver, access: Access) -> None:
    system = on.system
    to = dict(map(tuple, system.rows(_NUMBERS))).get(cast.STUDIO)
    if to is None:
        raise AssertionError("the studio has no number to write to")
    owners = Owners(on.url, system.database, access.owner_link, system.column(_STUDIOS))
    try:
        for hour in range(cast.HOURS):
            system.travel_to(cast.SATURDAY + timedelta(hours=hour))
            if writers := [one.body(to) for one in cast.LEADS if one.hour == hour]:
                system.sandbox.add_leads(writers)
            if hour == cast.STAFF_AFTER:
                while owners.answer_one():
                    pass
            for work in HOURLY:
                _do(on, work)
            driver.settle()
    finally:
        owners.close()


def _do(on: Stage, work: Work) -> None:
    """Do for all studios what is done for them every so often."""
    system = on.system
    studios = system.column(_STUDIOS)
    done = in_chunks(system.database, studios, lambda connection, chunk: work(connection, system.app.clocks, chunk))
    if done.failed:
        raise AssertionError(f"{work.__name__} failed: {done.failed}")
