from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg

from pilar.app import App
from pilar_pipelines.resources.pilar import PilarResource
from pilar_pipelines.sensors.drained import LONGEST, SETTLED, drained_work, span
from tests.pilar_pipelines.fleet import Fleet

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_each_span_begins_where_the_last_one_ended() -> None:
    _, until = span(None, NOW)
    assert span(until.isoformat(), NOW + timedelta(minutes=1)) == (until, until + timedelta(minutes=1))


def test_what_may_not_be_committed_yet_and_a_long_absence_are_left_out() -> None:
    since, until = span((NOW - timedelta(days=2)).isoformat(), NOW)
    assert (since, until) == (NOW - SETTLED - LONGEST, NOW - SETTLED)
    assert span(NOW.isoformat(), NOW) == (NOW - SETTLED, NOW - SETTLED)


def test_what_the_worker_drained_is_told_once(instance: dg.DagsterInstance, fleet: Fleet, app: App) -> None:
    fleet.notice("leak")
    fleet.notice("another leak")
    drain = app.drain("worker-1")
    drain.run_until_idle(datetime.now(UTC) + timedelta(seconds=30))
    drain.close()
    fleet.change("update queue_log set finished_at = finished_at - interval '10 seconds'")

    def tick(cursor: str | None) -> dg.SensorResult:
        with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"pilar": PilarResource()}) as context:
            result = drained_work(context)
        assert isinstance(result, dg.SensorResult)
        return result

    first = tick(None)
    (event,) = first.asset_events
    assert event.asset_key == dg.AssetKey("work_drained")
    # Each request for an incident is handed to its three handlers, and that the incident was noted is told.
    assert event.metadata["default/done"].value == 2 * (3 + 1)
    assert event.metadata["attempts"].value == 2 + 8
    assert tick(first.cursor).asset_events == []
