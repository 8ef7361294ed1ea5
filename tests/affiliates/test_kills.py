"""A worker that is killed at any commit, before it or after it: each cent is booked all the same, and once."""

from __future__ import annotations

import pytest

from tests.affiliates.conftest import Referrals
from tests.fixtures.system import MortalDatabase, System

PRO, SHARE, REFUNDED = 9900, 1980, 2500
LEFT = 1480
LONGEST = 200


def _kill_at_each(system: System, referrals: Referrals, first: int, step: int, *, after_commit: bool) -> None:
    """Have a month paid and partly refunded while the worker dies; one commit later each time, until it outlives it."""
    ids = referrals.sign_up()
    system.settle()
    months = 0
    for moment in range(first, LONGEST, step):
        months += 1
        further = system.sandbox.renew(ids["subscription"], seed=moment)
        system.sandbox.refund(invoice=further["invoice"], amount=REFUNDED, seed=moment)
        dying = MortalDatabase(system.database.url, dies_at=moment, after_commit=after_commit)
        system.settle(dying=dying)
        dying.close()
        assert referrals.balances()["held"] == SHARE + months * LEFT, f"killed at commit {moment}"
        referrals.assert_promises_hold()
        if not dying.died:
            break
    else:
        raise AssertionError("the story is longer than that by now")
    assert months > 3
    assert system.column("select count(*) from commission") == [months + 1]
    assert system.column("select count(*) from ledger_entry") == [2 * (months + 1) + 2 * months]
    assert system.column("select count(*) from dead_letter") == [0]


@pytest.mark.parametrize("after_commit", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_kill_at_some_commits_changes_nothing(after_commit: bool, system: System, referrals: Referrals) -> None:
    _kill_at_each(system, referrals, 3 + after_commit, 7, after_commit=after_commit)


@pytest.mark.slow
@pytest.mark.parametrize("after_commit", [False, True])
def test_a_kill_at_every_commit_changes_nothing(after_commit: bool, system: System, referrals: Referrals) -> None:
    _kill_at_each(system, referrals, 1, 1, after_commit=after_commit)
