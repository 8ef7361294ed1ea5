"""A worker that is killed at any commit, before it or after it: the studio is made all the same, nothing twice."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import pytest

from tests.fixtures.system import MortalDatabase, System

ONCE = {
    "twilio.subaccount_created",
    "twilio.number_bought",
    "meta.waba_connected",
    "meta.number_added",
    "meta.code_requested",
    "meta.number_registered",
    "meta.app_subscribed",
}

LEAST = 50
"""So many commits a studio takes at least."""


def _kill_at(system: System, moments: Iterable[int], *, until_alive: bool = False) -> None:
    """Make studios whose worker dies at one of these commits each; `until_alive`: as far as there are any."""
    studios = 0
    for moment, after_commit in ((one, after) for one in moments for after in (False, True)):
        studios += 1
        owner = f"owner{moment}{after_commit}@studio.example"
        system.sandbox.sign_up(f"Studio {moment} {after_commit}", email=owner, seed=moment)
        dying = MortalDatabase(system.database.url, dies_at=moment, after_commit=after_commit)
        system.settle(dying=dying)
        dying.close()
        if until_alive and not dying.died:
            assert moment > LEAST, "the story is shorter than that by now: lower the number"
            break
        assert dying.died, "the story is shorter than that by now"
        state = system.column("select state from workspace order by workspace_id desc limit 1")
        where = f"killed {'after' if after_commit else 'before'} commit {moment}"
        assert state == ["active"], where
        shown = system.rows("select state, steps_done from analytics.studio_overview order by workspace_id desc")
        assert shown[0] == ("active", 16), where
        # Mail can't be looked up: a set-up mail whose fate is unknown is sent again under the same id.
        repeated = {key: n for key, n in system.sandbox.effects_by_key().items() if key[0] in ONCE and n > 1}
        assert repeated == {}, where
        # A key whose secret got lost is deleted, and one made anew.
        assert len({key["account_sid"] for key in system.sandbox.objects("twilio.key")}) == studios, where
        assert len(system.sandbox.objects("twilio.key")) == studios, where
    assert system.column("select count(*) from workspace where state = 'active'") == [studios]
    assert system.column("select count(*) from dead_letter") == [0]


@pytest.mark.parametrize("moment", [7, 40])
def test_a_kill_at_some_commits_changes_nothing(system: System, moment: int) -> None:
    _kill_at(system, range(moment, moment + 1))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_a_kill_at_every_commit_changes_nothing(system: System, part: int) -> None:
    _kill_at(system, count(1 + part, 8), until_alive=True)
