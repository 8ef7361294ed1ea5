"""A check of the models that agents name: really asked where there is a key, cheaply, and out of the studio's budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from pilar.agents.defaults import default_agent
from pilar.backplane import budgets
from pilar.backplane.facts import Cause, Event, emit
from pilar.backplane.handlers import Outside
from pilar.database.engine import Scope
from pilar.health.events import AiProviderCheck
from pilar.health.model_check import MOST_MODELS, NEWS_FOR, SET_ASIDE_TOKENS, ModelChecker
from pilar.ids import new_id
from pilar.providers.llm.client import Models
from pilar.workspaces.configuration import StudioConfiguration, StudioProfile
from pilar.workspaces.plans import Plan
from pilar.workspaces.store import save_configuration
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from tests.contract.world import settings_for
from tests.fixtures.studios import add_studio
from tests.fixtures.system import MortalDatabase, System
from tests.fixtures.work import Bench


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    state: Path = tmp_path_factory.mktemp("models")
    with running_sandbox(sandbox_config(state)) as running:
        yield running


@pytest.fixture
def sandbox(served: RunningSandbox) -> RunningSandbox:
    served.script_models()
    return served


@pytest.fixture
def checking(bench: Bench, sandbox: RunningSandbox) -> Iterator[Callable[..., None]]:
    """Have the check answered; keywords replace settings."""
    made: list[Models] = []

    def begin(**changes: Any) -> None:
        made.append(Models(settings_for(sandbox).model_copy(update=changes)))
        checker = ModelChecker(bench.database, bench.clocks, made[-1])
        bench.registry.on_event(AiProviderCheck, "health.look", Outside(checker.on_asked))

    yield begin
    for models in made:
        models.close()


def studio_with(bench: Bench | System, provider: str, model: str) -> UUID:
    """A studio with one rule in force, whose agent names a model."""
    studio = add_studio(bench.database)
    profile = StudioProfile(name="Zon", country="NL", time_zone="Europe/Amsterdam")
    agent = default_agent(profile).model_copy(update={"provider": provider, "model": model})
    with bench.database.transaction(Scope.fleet()) as connection:
        document = StudioConfiguration(plan=Plan.PRO, studio=profile, agent=agent)
        save_configuration(connection, studio, document, changed_by="test", note="test", now=bench.business.now())
        connection.execute(
            text(
                "insert into ai_rule (workspace_id, id, name, goal, priority, version, conditions, actions, active,"
                " created_at, changed_at) values (:studio, :id, 'x', 'reply', 1, 1, '[]', '[]', true, :now, :now)"
            ),
            {"studio": studio, "id": new_id(), "now": bench.business.now()},
        )
    return studio


def post(bench: Bench | System, studio: UUID | None) -> None:
    clocks = bench.clocks if isinstance(bench, Bench) else bench.app.clocks
    event = Event(
        payload=AiProviderCheck(), key=str(new_id()), aggregate=("workspace", str(studio)), workspace_id=studio
    )
    with bench.database.transaction(Scope.fleet()) as connection:
        emit(connection, clocks, [event], Cause.new())


def ask(bench: Bench, studio: UUID | None) -> dict[UUID, tuple[str, dict[str, Any], list[str]]]:
    """Ask for the check; what is then known of each studio: status, metrics, issues."""
    post(bench, studio)
    while bench.run():
        pass
    rows = bench.rows("select workspace_id, status, metrics, issues from health_check where component = 'ai_provider'")
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def asked(sandbox: RunningSandbox, model: str) -> int:
    return sum(question["model"] == model for question in sandbox.questions())


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "gpt-4.1-mini"), ("groq", "openai/gpt-oss-20b"), ("anthropic", "claude-haiku-4-5")],
)
def test_a_model_that_answers_is_healthy_and_the_studio_pays_for_the_question(
    bench: Bench, sandbox: RunningSandbox, checking: Callable[..., None], provider: str, model: str
) -> None:
    checking()
    studio = studio_with(bench, provider, model)
    before = asked(sandbox, model)
    with bench.database.transaction(Scope.fleet()) as connection:
        for resource in (budgets.TOKENS, budgets.API_CALLS):
            budgets.set_limit(connection, studio, resource, "day", 10_000, "queue")
    status, metrics, issues = ask(bench, studio)[studio]
    assert (status, issues) == ("healthy", [])
    assert (metrics["provider"], metrics["model"], metrics["model_answers"]) == (provider, model, True)
    assert asked(sandbox, model) == before + 1
    with bench.database.transaction(Scope.fleet()) as connection:
        used = {use.resource: (use.used, use.reserved) for use in budgets.utilisation(connection, bench.clocks)}
    assert used[budgets.API_CALLS] == (1, 0)
    assert 0 < used[budgets.TOKENS][0] < SET_ASIDE_TOKENS
    assert used[budgets.TOKENS][1] == 0


def test_a_model_that_does_not_answer_degrades_the_studios_that_name_it(
    bench: Bench, sandbox: RunningSandbox, checking: Callable[..., None]
) -> None:
    checking()
    sandbox.script_models({"model": "gpt-4o", "error": "out_of_credit"})
    mute, other = studio_with(bench, "openai", "gpt-4o"), studio_with(bench, "openai", "gpt-4o-mini")
    seen = ask(bench, None)
    status, metrics, issues = seen[mute]
    assert (status, metrics["model_answers"]) == ("degraded", False)
    assert issues[0].startswith("The model gpt-4o does not answer. OpenAI refused")
    assert seen[other][0] == "healthy"


def test_a_model_is_asked_once_a_minute_for_however_many_studios(
    bench: Bench, sandbox: RunningSandbox, checking: Callable[..., None]
) -> None:
    checking()
    before = asked(sandbox, "gpt-4.1")
    studios = [studio_with(bench, "openai", "gpt-4.1") for _ in range(3)]
    assert {status for status, _, _ in ask(bench, None).values()} == {"healthy"}
    for studio in studios:
        ask(bench, studio)
    assert asked(sandbox, "gpt-4.1") == before + 1
    bench.real.advance(NEWS_FOR + timedelta(seconds=1))
    ask(bench, studios[0])
    assert asked(sandbox, "gpt-4.1") == before + 2


def test_a_check_of_the_fleet_asks_the_models_that_most_name_and_no_more(
    bench: Bench, sandbox: RunningSandbox, checking: Callable[..., None]
) -> None:
    checking()
    for number in range(MOST_MODELS + 3):
        studio_with(bench, "openai", f"unheard-of-{number:02}")
    popular = [studio_with(bench, "openai", "gpt-4.1-nano") for _ in range(2)]
    before = len(sandbox.questions())
    seen = ask(bench, None)
    assert len(sandbox.questions()) == before + MOST_MODELS
    assert all(seen[studio][1]["model_answers"] for studio in popular)


def test_where_the_budget_is_used_up_nothing_is_asked_and_the_rules_alone_are_judged(
    bench: Bench, sandbox: RunningSandbox, checking: Callable[..., None]
) -> None:
    checking()
    studio = studio_with(bench, "openai", "gpt-4.1-mini")
    with bench.database.transaction(Scope.fleet()) as connection:
        budgets.set_limit(connection, studio, budgets.TOKENS, "day", SET_ASIDE_TOKENS - 1, "queue")
        budgets.set_limit(connection, studio, budgets.API_CALLS, "day", 5, "queue")
    before = len(sandbox.questions())
    status, metrics, issues = ask(bench, studio)[studio]
    assert (status, issues, "model" in metrics) == ("healthy", [], False)
    assert len(sandbox.questions()) == before
    with bench.database.transaction(Scope.fleet()) as connection:
        assert all(use.used + use.reserved == 0 for use in budgets.utilisation(connection, bench.clocks))


def test_without_a_key_nothing_is_asked(bench: Bench, sandbox: RunningSandbox, checking: Callable[..., None]) -> None:
    checking(openai_api_key=None)
    studio = studio_with(bench, "openai", "gpt-4.1-mini")
    before = len(sandbox.questions())
    status, metrics, _ = ask(bench, studio)[studio]
    assert (status, "model" in metrics) == ("healthy", False)
    assert len(sandbox.questions()) == before


@pytest.mark.slow
@pytest.mark.parametrize("after_commit", [False, True])
def test_a_worker_that_is_killed_at_any_moment_leaves_the_check_done_and_the_budget_right(
    system: System, database_url: str, after_commit: bool
) -> None:
    studio = studio_with(system, "anthropic", "claude-haiku-4-5")
    with system.database.transaction(Scope.fleet()) as connection:
        for resource in (budgets.TOKENS, budgets.API_CALLS):
            budgets.set_limit(connection, studio, resource, "day", 10_000, "queue")
    deaths = 0
    for dies_at in range(1, 30):
        dying = MortalDatabase(database_url, dies_at=dies_at, after_commit=after_commit)
        before = len(system.sandbox.questions("anthropic"))
        system.clock.skip_to(system.clock.now() + NEWS_FOR)
        with system.database.transaction(Scope.fleet()) as connection:
            connection.execute(text("delete from health_check"))
        post(system, studio)
        system.settle(dying=dying)
        assert system.column("select status from health_check where component = 'ai_provider'") == ["healthy"]
        assert len(system.sandbox.questions("anthropic")) > before
        deaths += dying.died
        if not dying.died:
            break
    assert deaths > 3, "it was killed before, between and after its steps"
    with system.database.transaction(Scope.fleet()) as connection:
        budgets.expire_reservations(connection, system.clock.now() + timedelta(minutes=1))
        assert [use.reserved for use in budgets.utilisation(connection, system.app.clocks)] == [0, 0]
