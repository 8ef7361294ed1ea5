"""How a studio's channels are, over the API: what the last look found, and a look that is asked for."""

from __future__ import annotations

from uuid import uuid4

from starlette.testclient import TestClient

from pilar.backplane.tables import autopilot_job
from pilar.database.engine import Scope
from pilar.messaging.number_store import change_standing
from pilar.provisioning import replacement_store
from pilar.security.principals import Kind
from tests.webhook_ingest.conftest import House


def test_a_studio_sees_what_ails_its_channels_and_has_them_looked_at(client: TestClient, house: House) -> None:
    north, south = house.studio("North"), house.studio("South")
    owner = house.bearer(Kind.OWNER, north.workspace_id)
    path = f"/api/provisioning/channels/{north.workspace_id}"
    fresh = client.get(path, headers=owner).json()
    assert (fresh["looked_at"], fresh["trouble"], fresh["standing"]["messaging_limit"]) == (None, None, 250)
    now = house.real.now()
    with house.app.database.transaction(Scope.fleet()) as connection:
        found = {"trouble": "account_suspended", "waits_on": "twilio", "reason": "Ask Twilio why.", "looked_at": now}
        replacement_store.keep_look(connection, north.workspace_id, found, look_at=now)
        replacement_store.add_repair(connection, north.workspace_id, "sms", "The number's webhooks go to nowhere.", now)
        change_standing(connection, north.workspace_id, {"restricted": "DISABLED"}, now)
    seen = client.get(path, headers=owner).json()
    assert (seen["trouble"], seen["waits_on"], seen["standing"]["restricted"]) == (
        "account_suspended", "twilio", "DISABLED",
    )  # fmt: skip
    assert seen["repairs"] == {"sms": 1, "whatsapp": 0}
    for _ in range(2):
        assert client.post(f"{path}/look", headers=owner).status_code == 202
    with house.app.database.transaction(Scope.fleet()) as connection:
        jobs = connection.execute(autopilot_job.select().filter_by(workspace_id=north.workspace_id)).all()
    assert sorted(job.type for job in jobs) == [
        "messaging.read_number", "messaging.submit_templates", "provisioning.look_at_channels",
    ]  # fmt: skip
    assert client.get(f"/api/provisioning/channels/{south.workspace_id}", headers=owner).status_code in (403, 404)
    assert client.get(f"/api/provisioning/channels/{uuid4()}", headers=house.bearer(Kind.ADMIN)).status_code == 404
