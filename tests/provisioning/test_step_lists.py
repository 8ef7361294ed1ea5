"""Jobs outlive changes of the list of steps: whatever lists a job meets on its way, it stays valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from pilar.backplane.facts import Kind
from pilar.backplane.handlers import Work
from pilar.backplane.locks import LockKeeper
from pilar.clocks import Clocks, ManualClock
from pilar.database.engine import Database, Scope
from pilar.ids import new_id
from pilar.provisioning import store
from pilar.provisioning.events import AdvanceProvisioning
from pilar.provisioning.runner import Runner
from pilar.provisioning.steps import STEPS_VERSION, DatabaseStep, Done, Job, OutsideStep, Step, Wait
from tests.properties import examples

NAMES = tuple("abcdef")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CLOCKS = Clocks(business=ManualClock(NOON), real=ManualClock(NOON))

Lists = st.lists(st.permutations(NAMES).flatmap(lambda order: st.integers(1, 6).map(lambda n: order[:n])),
                 min_size=1, max_size=5)  # fmt: skip


@dataclass
class Story:
    """One job, and what its steps did and saw."""

    database: Database
    job_id: UUID = field(default_factory=new_id)
    workspace_id: UUID = field(default_factory=new_id)
    ran: list[str] = field(default_factory=list)
    may_go: set[str] = field(default_factory=set)

    def steps(self, names: Sequence[str]) -> tuple[Step, ...]:
        """The list; every other step is of the database, the rest wait until they may go."""

        def seen(name: str, job: Job) -> Mapping[str, Any]:
            before = names[: names.index(name)]
            assert {job.result(one)["was"] for one in before} == set(before), "those before it are done, with results"
            assert name not in self.ran, "a finished step is not run again"
            self.ran.append(name)
            return {"was": name}

        def outside(name: str, job: Job) -> Done | Wait:
            return Done(seen(name, job)) if name in self.may_go else Wait("meta", "not yet")

        def inside(name: str) -> Step:
            def run(_: Connection, job: Job) -> Mapping[str, Any]:
                return seen(name, job)

            return DatabaseStep(name, name.upper(), run)

        return tuple(
            inside(name)
            if name in "ace"
            else OutsideStep(name, name.upper(), lambda job, name=name: outside(name, job))
            for name in names
        )

    def begin(self, names: Sequence[str]) -> None:
        new = store.NewJob(
            self.job_id, self.workspace_id, f"sub_{self.job_id}", "cus_1", new_id(), self.job_id.bytes, b""
        )
        with self.database.transaction(Scope.fleet()) as connection:
            assert store.create_job(connection, new, self.steps(names), NOON)

    def advance(self, names: Sequence[str]) -> dict[str, Any]:
        runner = Runner(
            self.database, CLOCKS, LockKeeper(CLOCKS.real), self.steps(names),
            lock_ttl=timedelta(seconds=5), public_url="https://pilar.test",
        )  # fmt: skip
        payload = AdvanceProvisioning(job_id=self.job_id)
        work = Work(1, "run", Kind.JOB, new_id(), self.workspace_id, payload.type_name, payload, 1, 8, 1, new_id(), NOON,
                    NOON)  # fmt: skip
        return runner.advance(work)

    def rows(self) -> tuple[Any, dict[str, Any]]:
        with self.database.transaction(Scope.fleet()) as connection:
            steps = {row.name: row for row in store.steps_of(connection, self.job_id)}
            return store.get_job(connection, self.job_id), steps


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lists=Lists, goes=st.lists(st.sets(st.sampled_from(NAMES)), min_size=5, max_size=5))
def test_a_job_stays_valid_whatever_lists_it_meets(
    database: Database, lists: Sequence[Sequence[str]], goes: Sequence[set[str]]
) -> None:
    story = Story(database)
    story.begin(lists[0])
    completed = False
    for names, go in zip(lists, goes, strict=False):
        story.may_go |= go
        before = list(story.ran)
        answer = story.advance(names)
        job, steps = story.rows()
        assert job.begun_with == list(lists[0]), "what it was begun with is kept"
        if completed:
            assert story.ran == before, "a finished job does not begin again"
            assert job.state == "completed"
            continue
        done = {name for name in names if steps[name].status == "completed"}
        assert done >= set(names) & set(story.ran)
        assert [steps[name].ordinal for name in names] == list(range(1, len(names) + 1))
        gone = {name: row.status for name, row in steps.items() if name not in names}
        assert set(gone.values()) <= {"completed", "retired"}
        assert not [row for row in steps.values() if row.status == "retired" and row.waits_on], "nobody is waited for"
        completed = answer["state"] == "completed"
        assert completed == (done == set(names))
        if not completed:
            waiting = next(name for name in names if name not in done)
            assert (steps[waiting].status, steps[waiting].waits_on, job.state) == ("waiting", "meta", "waiting")
    story.may_go |= set(NAMES)
    story.advance(lists[-1])
    assert story.rows()[0].state == "completed", "in the end it gets there"


def test_a_step_that_comes_back_is_taken_up_again(database: Database) -> None:
    story = Story(database)
    story.begin("abd")
    story.advance("abd")
    assert story.rows()[1]["b"].status == "waiting"
    story.advance("ad")
    steps = story.rows()[1]
    assert (steps["b"].status, steps["b"].expires_at, steps["d"].status) == ("retired", None, "waiting")
    story.may_go |= {"b", "d"}
    assert story.advance("abd") == {"completed": ["b", "d"], "state": "completed"}


def test_which_list_it_was_begun_with_stays(database: Database) -> None:
    story, version = Story(database), STEPS_VERSION
    story.begin("ab")
    with database.transaction(Scope.fleet()) as connection:
        store.set_job(connection, story.job_id, {"steps_version": version - 1})
    story.advance("abc")
    assert story.rows()[0].steps_version == version - 1
