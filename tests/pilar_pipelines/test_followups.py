"""Follow-ups, windows and templates of a range of studios in one run, without the one that is broken."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import dagster as dg
import pytest

from pilar.clocks import system_clocks
from pilar.database.engine import Scope
from pilar.messaging import followup_configuration
from pilar.messaging import store as messaging
from pilar.messaging.defaults import default_followups
from pilar.workspaces.configuration import StudioConfiguration, StudioProfile
from pilar.workspaces.plans import Plan
from pilar.workspaces.store import save_configuration, upsert_integration
from pilar_pipelines.definitions import defs
from pilar_pipelines.partitions import range_tags
from tests.pilar_pipelines.fleet import Fleet


def _silent_lead(fleet: Fleet, studio: UUID) -> None:
    """A studio on WhatsApp with a lead who left its answer at that, and one who waits while the window closes."""
    now = system_clocks().business.now()
    profile = StudioProfile(name="Studio", country="NL", time_zone="UTC")
    who = {"phone": None, "name": "Anna", "language": "en", "country": None, "time_zone": "UTC",
           "lifecycle": "lead", "source": "whatsapp", "created_at": now}  # fmt: skip
    with fleet.database.transaction(Scope.fleet()) as connection:
        document = StudioConfiguration(plan=Plan.PRO, studio=profile, followups=default_followups())
        save_configuration(connection, studio, document, changed_by="test", note="", now=now)
        followup_configuration.put_in_force(connection, studio, default_followups(), now)
        upsert_integration(connection, studio, "whatsapp", now=now, external_id=str(studio), state="connected")
        silent, waits = (messaging.ensure_lead(connection, studio, f"user-{one}", who) for one in range(2))
        consent = {"scope": "marketing", "granted": True, "source": "import", "proof": "a form", "recorded_at": now}
        messaging.add_consent(connection, studio, silent, consent)
        asked = now - timedelta(hours=23)
        for lead in (silent, waits):
            messaging.note_inbound(connection, studio, lead, written_at=asked, now=asked, is_unread=lead == waits)
        sent = {"workspace_id": studio, "id": silent, "lead_id": silent, "direction": "out", "kind": "text",
                "state": "read", "origin": "rule:x", "cause": "x", "occurred_at": asked,
                "attempted_at": asked + timedelta(seconds=1), "accepted_at": asked}  # fmt: skip
        messaging.add_message(connection, sent)


def _told(instance: dg.DagsterInstance, job: str, studios: list[UUID]) -> dict[str, dg.AssetCheckEvaluation]:
    tags = range_tags(str(studios[0]), str(studios[-1]))
    result = defs.resolve_job_def(job).execute_in_process(instance=instance, tags=tags)
    assert result.success
    return {one.asset_key.to_user_string(): one for one in result.get_asset_check_evaluations()}


@pytest.mark.slow
def test_a_range_is_followed_up_once_without_the_broken_studio(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    studios = fleet.add("One", "Broken", "Three")
    for studio in studios:
        _silent_lead(fleet, studio)
    fleet.change(
        "update workspace_configuration set document = document || '{\"coaching\": 1}' where workspace_id = :it",
        it=studios[1],
    )
    instance.add_dynamic_partitions("workspace", [str(studio) for studio in studios])
    told = _told(instance, "follow_up", studios)
    planned, watched = told["followup_dispatch"], told["session_windows"]
    assert [planned.metadata[name].value for name in ("planned", "failed")] == [2, 1]
    assert not planned.passed
    assert [watched.metadata[name].value for name in ("closing", "closed")] == [2, 0]
    steps = "select workspace_id from followup_step"
    assert {row.workspace_id for row in fleet.rows(steps)} == {studios[0], studios[2]}
    again = _told(instance, "follow_up", studios)
    assert again["followup_dispatch"].metadata["planned"].value == 0
    assert again["session_windows"].metadata["closing"].value == 0
    asked = [_told(instance, "sync_templates", studios)["whatsapp_templates"] for _ in range(2)]
    assert [one.metadata["asked_for"].value for one in asked] == [3, 3]
    work = "select count(*) from autopilot_job where type = 'messaging.submit_templates'"
    assert fleet.rows(work) == [(3,)], "once a day"
    counted = _told(instance, "count_followups", studios)
    assert counted["followup_activity"].passed
    assert fleet.rows("select sum(planned), sum(sent) from analytics.followup_day") == [(2, 0)]
