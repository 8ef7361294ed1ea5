"""What a part of a studio's configuration is known again by."""

from __future__ import annotations

import hashlib
import json

from pilar.agents.defaults import default_agent
from pilar.provisioning.defaults_document import digest
from pilar.workspaces.configuration import StudioProfile


def test_a_field_of_a_later_release_changes_nothing_until_it_is_set() -> None:
    agent = default_agent(StudioProfile(name="Studio Noord", country="NL", time_zone="Europe/Amsterdam"))
    as_of_old = agent.model_dump(mode="json", exclude=set(agent.came_later))
    assert digest(agent) == hashlib.sha256(json.dumps(as_of_old, sort_keys=True).encode()).digest()
    assert digest(agent.model_copy(update={"answers": "model"})) != digest(agent)
