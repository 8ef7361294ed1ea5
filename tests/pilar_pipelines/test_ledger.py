"""The ledger's job and checks, in Dagster's process and on a real database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import text

from pilar.backplane import audit
from pilar.backplane.effects import Effect, EffectLedger
from pilar.clocks import system_clocks
from pilar.database.engine import Scope
from pilar.errors import OutcomeUnknown
from pilar_pipelines.definitions import defs
from tests.pilar_pipelines.fleet import Fleet


def _run(instance: dg.DagsterInstance, job: str) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(instance=instance)


def _record(fleet: Fleet, *, age: timedelta = timedelta(0)) -> None:
    with fleet.database.transaction(Scope.fleet()) as connection:
        now = system_clocks().real.now() - age
        audit.record(connection, actor="system", action="test.done", subject="x", now=now)


def _check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    return next(one for one in result.get_asset_check_evaluations() if one.check_name == name)


def test_the_job_settles_effects_and_seals_and_keeps_the_hash(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    def cut() -> dict[str, Any]:
        raise OutcomeUnknown

    with pytest.raises(OutcomeUnknown):
        EffectLedger(fleet.database, system_clocks(), timeout=timedelta(seconds=1)).perform(
            Effect("mail.setup_link", "1", call=cut)
        )
    fleet.change("update effect set attempted_at = attempted_at - interval '1 hour', attempt_until = null")
    _record(fleet)
    result = _run(instance, "keep_ledger")
    assert fleet.rows("select state from effect") == [("intent",)]
    (sealed,) = [
        event.step_output_data.metadata["hash"].value
        for event in result.all_node_events
        if event.is_successful_output and event.step_key == "seal_audit"
    ]
    assert fleet.rows("select encode(hash, 'hex') from audit_seal") == [(sealed,)]


def test_the_checks_see_a_broken_chain_and_a_sealer_that_lags(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    _record(fleet, age=timedelta(minutes=16))
    watched = _run(instance, "watch_fleet")
    assert not _check(watched, "audit_is_sealed").passed
    assert _check(watched, "audit_chain_holds").passed
    _run(instance, "keep_ledger")
    watched = _run(instance, "watch_fleet")
    assert _check(watched, "audit_is_sealed").passed
    assert _check(watched, "audit_chain_holds").passed
    with fleet.database.engine.begin() as connection:
        connection.execute(text("alter table audit_log disable trigger append_only"))
        connection.execute(text("delete from audit_log"))
    broken = _check(_run(instance, "watch_fleet"), "audit_chain_holds")
    assert not broken.passed
    assert broken.description == "The chain breaks at segment 1, position 1: deleted."
