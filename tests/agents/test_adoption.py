"""An adopted variant becomes the rule, once, in every studio that has it."""

from __future__ import annotations

from pilar.agents.defaults import install_rules
from pilar.app import App
from pilar.backplane.facts import Cause, Event, emit
from pilar.database.engine import Scope
from pilar.experiments.events import ExperimentDecided
from pilar.ids import new_id
from tests.fixtures.studios import add_studio
from tests.fixtures.system import System


def _decide(app: App, adopted: str | None) -> None:
    decided = ExperimentDecided(experiment_id=new_id(), subject="rule:trial", adopted=adopted)
    event = Event(payload=decided, key=str(new_id()), aggregate=("experiment", "1"))
    with app.database.transaction(Scope.fleet()) as connection:
        emit(connection, app.clocks, [event], Cause.new())


def test_an_adopted_variant_is_the_rule_from_then_on(system: System) -> None:
    app = system.app
    for name in ("North", "South"):
        studio = add_studio(app.database, name=name)
        with app.database.transaction(Scope.fleet()) as connection:
            install_rules(connection, studio, app.clocks.business.now())
    read = "select version, actions = variants -> 'offer' from ai_rule where name = 'trial'"
    _decide(app, None)
    system.settle()
    assert system.rows(read) == [(1, False)] * 2
    for _ in range(2):
        _decide(app, "offer")
        system.settle()
    assert system.rows(read) == [(2, True)] * 2
    assert system.column("select details ->> 'studios' from audit_log where action = 'agents.variant_adopted'") == [
        "2",
        "0",
    ]
