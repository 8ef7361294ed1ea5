"""What a studio is given, as one document of four parts. What belongs here: its shape and its pure rules.

What does not: keeping it (`defaults_store.py`), and putting parts in force (`defaults.py`).

The founder's default template is written for all studios: its agent's task says `{studio}` where a studio's name goes,
and its texts are there in each language. `made_for` makes of it what one studio gets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pilar.agents.defaults import STUDIO
from pilar.messaging.followup_configuration import in_language
from pilar.workspaces.configuration import (
    AgentConfiguration,
    CalendarConfiguration,
    CoachingConfiguration,
    FollowupConfiguration,
    Section,
    StudioConfiguration,
    StudioProfile,
)

Part = Literal["agent", "coaching", "followups", "calendar"]
PARTS: tuple[Part, ...] = ("agent", "coaching", "followups", "calendar")

Difference = tuple[str, Any, Any]
"""Where, what is there before, and after; None: nothing."""

_KNOWN_BY = ("slug", "name", "type")
"""What an entry of a list is known by, where it has it."""


class WorkspaceDefaults(Section):
    """Everything that a studio starts with."""

    agent: AgentConfiguration
    coaching: CoachingConfiguration
    followups: FollowupConfiguration
    calendar: CalendarConfiguration


class DefaultsChange(Section):
    """Some of it, anew; what is not named stays."""

    agent: AgentConfiguration | None = None
    coaching: CoachingConfiguration | None = None
    followups: FollowupConfiguration | None = None
    calendar: CalendarConfiguration | None = None

    def parts(self) -> dict[Part, Section]:
        """What is named."""
        return {part: value for part in PARTS if (value := getattr(self, part)) is not None}


def made_for(template: WorkspaceDefaults, studio: StudioProfile, part: Part) -> Section:
    """A part of the founder's template as one studio gets it."""
    if part == "agent":
        agent = template.agent
        policies = agent.policies.model_copy(update={"language": studio.language})
        task = agent.system_prompt.replace(STUDIO, studio.name)
        return agent.model_copy(update={"system_prompt": task, "policies": policies})
    if part == "followups":
        return in_language(template.followups, studio.language)
    section: Section = getattr(template, part)
    return section


def chosen(document: StudioConfiguration, part: Part) -> Section | None:
    """A part of a studio's configuration; None where it has none of its own yet."""
    if part == "coaching":
        return document.coaching if document.coaching.schedules else None
    section: Section | None = getattr(document, part)
    return section


def digest(section: Section) -> bytes:
    """What a part is known again by; neither order in its lists nor what a later release brought makes a difference."""
    fields = type(section).model_fields
    as_it_came = {name for name in section.came_later if getattr(section, name) == fields[name].default}
    plain = {name: value for name, value in _plain(section).items() if name not in as_it_came}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).digest()


def differences(before: Section | None, after: Section) -> list[Difference]:
    """What differs between two versions of a part, leaf by leaf, in order."""
    old = dict(_leaves(_plain(before))) if before is not None else {}
    new = dict(_leaves(_plain(after)))
    return [(path, old.get(path), new.get(path)) for path in sorted({*old, *new}) if old.get(path) != new.get(path)]


def _plain(section: Section) -> Any:
    return _keyed(section.model_dump(mode="json"))


def _keyed(value: Any) -> Any:
    """Lists of entries that have a name become mappings by it."""
    if isinstance(value, Mapping):
        return {key: _keyed(one) for key, one in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(one, Mapping) for one in value):
            keyed = {_name_of(one): _keyed(one) for one in value}
            if len(keyed) == len(value):
                return keyed
            return sorted((_keyed(one) for one in value), key=lambda one: json.dumps(one, sort_keys=True))
        return value
    return value


def _name_of(entry: Mapping[str, Any]) -> str:
    if "weekday" in entry:
        return f"{entry['weekday']} {entry['opens']}"
    return next((str(entry[key]) for key in _KNOWN_BY if key in entry), json.dumps(entry, sort_keys=True))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, one in value.items():
            yield from _leaves(one, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
