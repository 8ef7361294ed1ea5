"""Whether the questions put to Dagster are ones it understands, about jobs that it has."""

from __future__ import annotations

import pytest

from pilar.operator.triggers import TRIGGERS
from pilar.providers.dagster import client, queries
from pilar_pipelines import partitions
from pilar_pipelines.definitions import defs


@pytest.mark.filterwarnings("ignore")  # Dagster's GraphQL warns of itself when it is imported
def test_every_question_fits_dagsters_schema() -> None:
    from dagster_graphql.schema import create_schema
    from graphql import parse, validate

    schema = create_schema().graphql_schema
    for query in queries.ALL:
        assert validate(schema, parse(query)) == [], query


def test_the_statuses_of_a_run_are_dagsters() -> None:
    import dagster as dg

    known = {status.value for status in dg.DagsterRunStatus}
    assert {*client.UNDER_WAY, *client.ENDED} < known


def test_what_can_be_asked_for_is_there_with_and_without_partitions() -> None:
    for trigger in TRIGGERS:
        job = defs.resolve_job_def(trigger.job)
        assert (job.partitions_def is not None) == trigger.by_studio, trigger.name
        assert trigger.says
    assert client.range_of(["a", "b", "c"]) == partitions.range_tags("a", "c")


def test_each_trigger_but_the_drain_asks_for_what_a_schedule_asks_for() -> None:
    scheduled = {schedule.job_name for schedule in defs.get_repository_def().schedule_defs}
    assert {trigger.job for trigger in TRIGGERS} - scheduled == {"drain"}  # a sensor asks for that
