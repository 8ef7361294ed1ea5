"""What is told of the studios' life: of a range in one run, without the one that is broken, and to whom."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pilar.database.engine import Scope
from pilar.database.schema import metadata
from pilar.providers.dagster.client import FLEET_JOB, STUDIOS_JOB
from pilar_cli.dictionary import text as dictionary
from pilar_pipelines.definitions import defs
from pilar_pipelines.partitions import range_tags
from tests.pilar_pipelines.fleet import Fleet
from tests.pilar_pipelines.life import CHECKS, PAID_MINOR, Life

JOBS = {
    "coach_activity": "count_coaching",
    "lead_engagement": "score_engagement",
    "messaging_activity": "count_messages",
    "messaging_cost": "count_messages",
    "rule_performance": "count_messages",
    "experiment_results": "judge_experiments",
    "commissions": "book_commissions",
}


@pytest.fixture
def life(fleet: Fleet) -> Life:
    return Life(fleet)


@pytest.fixture
def studios(life: Life, instance: dg.DagsterInstance) -> list[UUID]:
    """Four studios that have lived, as partitions."""
    added = life.fleet.add("One", "Two", "Three", "Four")
    life.live(added)
    instance.add_dynamic_partitions("workspace", [str(studio) for studio in added])
    return added


def _run(instance: dg.DagsterInstance, job: str, studios: list[UUID] | None = None) -> dg.ExecuteInProcessResult:
    tags = range_tags(str(studios[0]), str(studios[-1])) if studios else {}
    return defs.resolve_job_def(job).execute_in_process(instance=instance, tags=tags)


def _check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == name]
    return found


def _by_studio(life: Life, what: str, table: str) -> dict[UUID, tuple[Any, ...]]:
    """Sums over a table's rows of each studio."""
    rows = life.fleet.rows(f"select workspace_id, {what} from analytics.{table} group by workspace_id")
    return {row[0]: tuple(row)[1:] for row in rows}


@pytest.mark.parametrize(("asset", "job"), JOBS.items())
def test_one_run_tells_of_a_range_of_studios_and_the_next_the_same(
    instance: dg.DagsterInstance, life: Life, studios: list[UUID], asset: str, job: str
) -> None:
    check = _check(_run(instance, job, studios[1:3]), CHECKS[asset])
    assert check.passed
    assert [check.metadata[name].value for name in ("failed", "closed")] == [0, 0]
    assert instance.get_materialized_partitions(dg.AssetKey(asset)) == {str(studio) for studio in studios[1:3]}
    told, made_at = life.told(asset), life.made_at(asset)
    assert told.keys() == set(studios[1:3])
    _run(instance, job, studios)
    again = life.told(asset)
    assert again.keys() == set(studios)
    assert {studio: again[studio] for studio in told} == told
    assert all(life.made_at(asset)[studio] > moment for studio, moment in made_at.items())


@pytest.mark.parametrize(("asset", "job"), JOBS.items())
def test_a_broken_studio_turns_the_check_red_and_keeps_its_figures_and_the_others_get_new_ones(
    instance: dg.DagsterInstance, life: Life, studios: list[UUID], asset: str, job: str
) -> None:
    _run(instance, job, studios)
    told, made_at = life.told(asset), life.made_at(asset)
    life.spoil(studios[1], asset)
    life.fleet.close(studios[3])
    result = _run(instance, job, studios)
    assert result.success
    check = _check(result, CHECKS[asset])
    assert not check.passed
    assert str(studios[1]) in str(check.metadata["failed_studios"].value)
    assert [check.metadata[name].value for name in ("failed", "closed")] == [1, 1]
    assert life.told(asset) == told
    after = life.made_at(asset)
    assert {studio for studio in studios if after[studio] > made_at[studio]} == {studios[0], studios[2]}
    own = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[str(studios[1])]), limit=1
    ).records[0]
    assert own.asset_materialization is not None
    assert own.asset_materialization.metadata["failed_because"].value


def test_everything_about_all_studios_tells_what_they_have_lived(
    instance: dg.DagsterInstance, life: Life, studios: list[UUID]
) -> None:
    result = _run(instance, STUDIOS_JOB, studios)
    assert all(check.passed for check in result.get_asset_check_evaluations())
    columns = ("messages_in", "messages_out", "refused", "replies", "opted_out")
    sums = ", ".join(f"sum({column})" for column in columns)
    messages = _by_studio(life, f"{sums}, max(reply_p50_ms)", "messaging_day")
    prices = "sum(matches), sum(answered), sum(refused), sum(successes), sum(avg_latency_ms)"
    rules = _by_studio(life, prices, "rule_performance where name = 'prices'")
    tried = _by_studio(life, "sum(exposed), sum(converted)", "experiment_variant")
    earned = "sum(invoices), sum(base_minor), sum(held_minor), sum(payable_minor)"
    commissions = _by_studio(life, earned, "workspace_commission")
    for leads, studio in enumerate(studios, start=1):
        assert messages[studio] == (2 * leads + 1, leads + 1, 2, leads, 1, 1_500)
        assert rules[studio] == (leads + 1, leads, 1, leads, 1_500)
        assert tried[studio] == (leads, 1)
        paid = PAID_MINOR * leads
        assert commissions[studio] == (2, 2 * paid, paid // 5, paid // 5)
    coached = "select sum(planned), sum(sent), sum(refused), sum(answered) from analytics.coach_activity"
    assert life.fleet.rows(coached) == [(8, 4, 4, 4)]
    assert life.fleet.rows("select type, reason, sum(count) from analytics.coach_refusal group by 1, 2") == [
        ("weekly_checkin", "quiet_hours", 4)
    ]


def test_the_fleets_experiments_are_summed_over_studios_and_a_broken_one_turns_the_check_red(
    instance: dg.DagsterInstance, life: Life, studios: list[UUID]
) -> None:
    founders = life.try_out(None, [(studio, f"lead-{number}") for studio in studios for number in range(5)])
    result = _run(instance, "judge_fleet_experiments")
    (told,) = result.asset_materializations_for_node("fleet_experiment_results")
    assert [told.metadata[name].value for name in ("experiments", "decided", "broken")] == [5, 0, 0]
    assert _check(result, "no_experiment_is_broken").passed
    summed = (
        "select sum(exposed), sum(converted), count(distinct variant) from analytics.fleet_experiment_result"
        f" where experiment_id = '{founders.id}'"
    )
    assert life.fleet.rows(summed) == [(20, 1, 2)]
    every = "select to_jsonb(r) - 'refreshed_at', refreshed_at from analytics.fleet_experiment_result r order by 1"
    before = life.fleet.rows(every)
    life.fleet.change("update experiment_exposure set variant = 'gone' where workspace_id = :it", it=studios[0])
    result = _run(instance, "judge_fleet_experiments")
    assert result.success
    check = _check(result, "no_experiment_is_broken")
    assert (check.passed, check.metadata["broken"].value) == (False, 2)  # the studio's own and the founder's
    after = life.fleet.rows(every)
    assert [row[0] for row in before] == [row[0] for row in after]
    assert sum(one.refreshed_at == other.refreshed_at for one, other in zip(before, after, strict=True)) == 4


def test_affiliates_are_told_what_they_brought_and_are_owed(
    instance: dg.DagsterInstance, life: Life, studios: list[UUID]
) -> None:
    owed = "select clicks, conversions, earned_minor, held_minor, payable_minor from analytics.affiliate_balance"
    earned = sum(PAID_MINOR * leads // 5 for leads in (1, 2, 3, 4))
    result = _run(instance, "balance_affiliates")
    (told,) = result.asset_materializations_for_node("affiliate_balances")
    assert told.metadata["rows"].value == 1
    assert life.fleet.rows(owed) == [(4, 4, 2 * earned, 2 * earned, 0)]
    assert _check(_run(instance, "book_commissions", studios), CHECKS["commissions"]).passed
    _run(instance, "balance_affiliates")
    assert life.fleet.rows(owed) == [(4, 4, 2 * earned, earned, earned)]


def test_both_jobs_for_everything_make_every_asset_that_is_made_once_with_all_its_checks() -> None:
    graph = defs.resolve_asset_graph()
    jobs = [defs.resolve_job_def(name).asset_layer for name in (STUDIOS_JOB, FLEET_JOB)]
    of_studios, of_the_fleet = (job.selected_asset_keys for job in jobs)
    assert of_studios | of_the_fleet == graph.materializable_asset_keys
    assert not of_studios & of_the_fleet
    assert of_studios == {key for key in graph.materializable_asset_keys if graph.get(key).is_partitioned}
    assert {key for job in jobs for key in job.asset_graph.asset_check_keys} == set(graph.asset_check_keys)


def test_analysts_read_what_the_dictionary_tells_them_of_and_nothing_else(life: Life, studios: list[UUID]) -> None:
    told_of = {table.fullname for table in metadata.tables.values() if table.schema == "analytics"}
    assert all(f"\n## {name}\n" in dictionary() for name in told_of)
    every = life.fleet.rows(
        "select c.oid::regclass::text from pg_class c where c.relkind in ('r', 'p', 'v', 'm', 'f')"
        " and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"
        " and c.relnamespace <> all (select oid from pg_namespace where nspname like 'pg\\_%')"
    )
    database = life.fleet.database
    readable = set()
    for (name,) in every:
        try:
            with database.transaction(Scope.analyst()) as connection:
                connection.execute(text(f"select * from {name} limit 1"))
            readable.add(name)
        except DBAPIError as error:
            assert "permission denied" in str(error.orig), name
    assert readable == told_of
    for name in told_of:
        for statement in (f"delete from {name}", f"insert into {name} default values"):
            with pytest.raises(DBAPIError, match="permission denied"), database.transaction(Scope.analyst()) as own:
                own.execute(text(statement))
