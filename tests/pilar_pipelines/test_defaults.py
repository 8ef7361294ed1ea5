"""Bringing studios to the newest default template, in Dagster's process and on a real database."""

from __future__ import annotations

from typing import Any

import dagster as dg

from pilar.clocks import system_clocks
from pilar.database.engine import Scope
from pilar.provisioning.defaults_document import PARTS
from pilar.provisioning.defaults_template import write_template
from pilar.registrations.steps import studio_defaults
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import StudioConfiguration, StudioProfile
from pilar.workspaces.plans import Plan
from pilar_pipelines.definitions import defs
from tests.fixtures.studios import OPENED, add_studio
from tests.pilar_pipelines.fleet import Fleet


def run(instance: dg.DagsterInstance, **config: bool) -> dict[str, Any]:
    result = defs.resolve_job_def("bring_defaults_up_to_date").execute_in_process(
        instance=instance, run_config={"ops": {"update_defaults": {"config": config}}}
    )
    (told,) = [event.step_output_data.metadata for event in result.all_node_events if event.is_successful_output]
    return {name: value.value for name, value in told.items()}


def test_the_job_tells_first_and_does_it_when_it_is_told(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    studio, clocks = add_studio(fleet.database), system_clocks()
    keeper = studio_defaults(clocks)
    profile = StudioProfile(name="Noord", country="NL", time_zone="Europe/Amsterdam")
    with fleet.database.transaction(Scope.fleet()) as connection:
        document = StudioConfiguration(plan=Plan.PRO, studio=profile)
        workspaces.save_configuration(connection, studio, document, changed_by="system", note="n", now=OPENED)
        for part in PARTS:
            keeper.give(connection, studio, part)
        _, template = keeper.template(connection)
        agent = template.agent.model_copy(update={"temperature": 0.1})
        wanted = template.model_copy(update={"agent": agent})
        write_template(connection, clocks, keeper, wanted, expected_version=0, actor="system", note="cooler")
    looked = run(instance)
    assert (looked["applied"], looked["offered"]) == (False, 1)
    assert looked["offers"][0]["changes"] == {"agent": [["temperature", 0.4, 0.1]]}
    assert run(instance, apply=True)["offered"] == 1
    assert run(instance)["offered"] == 0
