"""A worker that is killed at any commit, before it or after it: each message is answered, and once."""

from __future__ import annotations

import pytest

from tests.agents.looking import assert_promises_hold, fired
from tests.fixtures.opened import Studio
from tests.fixtures.system import MortalDatabase, System


def _ask_and_kill(studio: Studio, moment: int, *, after_commit: bool) -> bool:
    """A lead asks for a trial while the worker dies, and says yes; return whether it has."""
    system: System = studio.system  # the seed's lead would say nothing more by itself
    system.sandbox.add_lead(to=studio.number, sender="+31612340001", persona="trial", language="nl", seed=2)
    dying = MortalDatabase(system.database.url, dies_at=moment, after_commit=after_commit)
    system.settle(dying=dying)
    dying.close()
    studio.writes("Ja graag", sender="+31612340001")
    return dying.died


def _assert_answered_once(studio: Studio, moment: int, *, after_commit: bool) -> None:
    assert _ask_and_kill(studio, moment, after_commit=after_commit), "the story is shorter by now: fewer moments"
    assert fired(studio) == [("trial", None, True), ("accept", None, True)]
    assert studio.system.column("select count(*) from booking") == [1]
    assert studio.system.column("select count(*) from message where left(origin, 5) = 'rule:'") == [2]
    assert_promises_hold(studio.system)


@pytest.mark.parametrize(("moment", "after_commit"), [(3, True), (12, False)])
def test_a_kill_at_some_commits_answers_once_and_books_once(studio: Studio, moment: int, after_commit: bool) -> None:
    _assert_answered_once(studio, moment, after_commit=after_commit)


@pytest.mark.slow
@pytest.mark.parametrize("after_commit", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("moment", range(1, 15))
def test_a_kill_at_any_commit_answers_once_and_books_once(studio: Studio, moment: int, after_commit: bool) -> None:
    _assert_answered_once(studio, moment, after_commit=after_commit)
