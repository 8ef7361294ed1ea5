"""What a studio is given, and what it makes of it.

What belongs here: giving a new studio the newest template part by part, and its owner reading, changing and rolling
back. What does not: the founder's template and offering it to studios (`defaults_template.py`).

The whole configuration is one versioned document; a change that is not valid leaves the version in force as it is, and
an earlier one is put in force again as a new version. What the parts look like in their rooms' tables is written in the
same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.backplane.facts import Cause
from pilar.bookings import configuration as calendar
from pilar.clocks import Clocks
from pilar.errors import Conflict, NotFound
from pilar.messaging import followup_configuration
from pilar.messaging.templates import ask_to_submit
from pilar.provisioning import defaults_store as store
from pilar.provisioning.defaults_document import (
    PARTS,
    Difference,
    Part,
    WorkspaceDefaults,
    chosen,
    differences,
    digest,
    made_for,
)
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import CoachingConfiguration, Section, StudioConfiguration

_Document = TypeVar("_Document", bound=BaseModel)

HISTORY = 100
"""The most versions that are told at once."""


@dataclass(frozen=True)
class CoachHooks:
    """What the coach's room does about its part: this room does not know it."""

    check: Callable[[CoachingConfiguration], None]
    plan_anew: Callable[[Connection, Clocks, UUID], None]


@dataclass(frozen=True)
class StudioDefaults:
    """A studio's four parts as they stand."""

    version: int
    parts: Mapping[Part, Section | None]
    given: Mapping[Part, int]
    """The version of the default template that each part is from; parts that the studio has changed are not there."""


class DefaultsKeeper:
    """Gives, reads and changes."""

    def __init__(self, clocks: Clocks, built_in: WorkspaceDefaults, coach: CoachHooks) -> None:
        """Take both clocks, the template for as long as the founder has written none, and the coach's part."""
        self._clocks = clocks
        self._built_in = built_in
        self._coach = coach

    def template(self, connection: Connection, version: int | None = None) -> tuple[int, WorkspaceDefaults]:
        """The default template with its version, the newest unless one is named; in the fleet's scope.

        Raises:
            NotFound: there is no such version.
            Conflict: it is of a form that is not valid any more.
        """
        if version == 0:
            return 0, self._built_in
        row = store.newest_template(connection) if version is None else store.template_of(connection, version)
        if row is None:
            return 0, self._built_in
        return row.version, _as_now(WorkspaceDefaults, row.document, row.version)

    def give(self, connection: Connection, workspace_id: UUID, part: Part) -> dict[str, Any]:
        """Give a new studio a part of the newest template; what it has already stays as it is.

        Needs the fleet's scope. Doing it twice is doing it once.
        """
        version, document = workspaces.load_configuration(connection, workspace_id)
        if self._of(connection, workspace_id, document, part) is not None:
            return {"configuration_version": version}
        number, template = self.template(connection)
        section = made_for(template, document.studio, part)
        now = self._clocks.business.now()
        saved = workspaces.save_configuration(
            connection,
            workspace_id,
            document.model_copy(update={part: section}),
            changed_by="system",
            note=f"{part}, from version {number} of the default template",
            now=now,
            expected_version=version,
        )
        result = self._put_in_force(connection, workspace_id, part, section, now)
        store.note_given(connection, workspace_id, part, number, digest(section), now)
        return {"configuration_version": saved, "template_version": number, **result}

    def read(self, connection: Connection, workspace_id: UUID) -> StudioDefaults:
        """A studio's four parts as they stand.

        Raises:
            NotFound: the studio has no configuration yet.
        """
        version, document = workspaces.load_configuration(connection, workspace_id)
        parts = {part: self._of(connection, workspace_id, document, part) for part in PARTS}
        rows = store.given(connection, workspace_id)
        given: dict[Part, int] = {
            part: rows[part].version
            for part, section in parts.items()
            if section is not None and part in rows and digest(section) == bytes(rows[part].digest)
        }
        return StudioDefaults(version, parts, given)

    def find(self, connection: Connection, workspace_id: UUID) -> StudioDefaults | None:
        """As `read`; None where the studio has no configuration yet."""
        try:
            return self.read(connection, workspace_id)
        except NotFound:
            return None

    def check(self, wanted: WorkspaceDefaults) -> None:
        """Raise `Invalid` where a schedule can't be read or never comes."""
        self._coach.check(wanted.coaching)

    def change(
        self,
        connection: Connection,
        workspace_id: UUID,
        wanted: Mapping[Part, Section],
        *,
        expected_version: int | None,
        actor: str,
        note: str,
    ) -> int:
        """Put other parts in force, all or none; return the version of the configuration then.

        Args:
            connection: a transaction in the fleet's scope.
            workspace_id: the studio.
            wanted: the parts that are to be others.
            expected_version: the version that the change was made from; None: whatever is in force.
            actor: who, as in the audit log.
            note: what for.

        Raises:
            Invalid: a schedule can't be read or never comes.
            Conflict: somebody changed the configuration meanwhile, or a text that WhatsApp has reviewed is another.
            NotFound: the studio has no configuration yet.
        """
        version, document = workspaces.load_configuration(connection, workspace_id)
        if expected_version not in (None, version):
            raise Conflict(f"The configuration is at version {version} by now: read it again and repeat the change.")
        if isinstance(coaching := wanted.get("coaching"), CoachingConfiguration):
            self._coach.check(coaching)
        present = {part: self._of(connection, workspace_id, document, part) for part in wanted}
        other = {part: section for part, section in wanted.items() if present[part] != section}
        if not other:
            return version
        now = self._clocks.business.now()
        saved = workspaces.save_configuration(
            connection,
            workspace_id,
            document.model_copy(update={str(part): section for part, section in other.items()}),
            changed_by=actor,
            note=note,
            now=now,
            expected_version=version,
        )
        for part, section in other.items():
            self._put_in_force(connection, workspace_id, part, section, now)
        audit.record(
            connection,
            actor=actor,
            action="workspaces.defaults_changed",
            subject=f"configuration:{saved}",
            now=self._clocks.real.now(),
            workspace_id=workspace_id,
            details={"parts": sorted(other), "from_version": version},
        )
        return saved

    def roll_back(
        self, connection: Connection, workspace_id: UUID, to: int, *, expected_version: int | None, actor: str
    ) -> int:
        """Put the parts of an earlier version in force again, as a new version; return its number.

        Raises:
            NotFound: there is no such version.
            Conflict: it is of a form that is not valid any more, or as `change`.
        """
        document = _as_now(StudioConfiguration, store.document_of(connection, workspace_id, to), to)
        parts = {part: section for part in PARTS if (section := chosen(document, part)) is not None}
        return self.change(
            connection,
            workspace_id,
            parts,
            expected_version=expected_version,
            actor=actor,
            note=f"back to version {to}",
        )

    def history(self, connection: Connection, workspace_id: UUID) -> list[Row[Any]]:
        """Number, author, note and moment (business time) of the configuration's versions, the newest first."""
        return store.history(connection, workspace_id, HISTORY)

    def compare(self, connection: Connection, workspace_id: UUID, version: int) -> dict[Part, list[Difference]]:
        """What is another now than in an earlier version, by part.

        Raises:
            NotFound: there is no such version.
            Conflict: it is of a form that is not valid any more.
        """
        document = _as_now(StudioConfiguration, store.document_of(connection, workspace_id, version), version)
        present = self.read(connection, workspace_id).parts
        return {
            part: differences(chosen(document, part), section)
            for part, section in present.items()
            if section is not None
        }

    def template_history(self, connection: Connection) -> list[Row[Any]]:
        """The founder's template's versions, the newest first; in the fleet's scope."""
        return store.template_history(connection, HISTORY)

    def _of(
        self, connection: Connection, workspace_id: UUID, document: StudioConfiguration, part: Part
    ) -> Section | None:
        # A studio that is older than the section has its calendar and texts in their tables only.
        if (section := chosen(document, part)) is not None:
            return section
        if part == "followups":
            return followup_configuration.in_force(connection, workspace_id)
        return calendar.in_force(connection, workspace_id) if part == "calendar" else None

    def _put_in_force(
        self, connection: Connection, workspace_id: UUID, part: Part, section: Any, now: datetime
    ) -> dict[str, int]:
        if part == "calendar":
            return calendar.put_in_force(connection, workspace_id, section, now)
        if part == "coaching":
            self._coach.plan_anew(connection, self._clocks, workspace_id)
        if part != "followups":
            return {}
        result = followup_configuration.put_in_force(connection, workspace_id, section, now)
        account = workspaces.get_integration(connection, workspace_id, "whatsapp")
        if result["templates"] and account is not None and account.state == "connected":
            occasion = f"defaults:{workspace_id}:{digest(section).hex()[:16]}:{now.isoformat()}"
            ask_to_submit(connection, self._clocks, workspace_id, occasion=occasion, story=Cause.new())
        return result


def _as_now(shape: type[_Document], kept: Mapping[str, Any], version: int) -> _Document:
    """A version that was kept, in the form of today; raise `Conflict` where it is not valid any more."""
    try:
        return shape.model_validate(kept)
    except ValidationError as error:
        raise Conflict(f"Version {version} is not valid any more: it stays as it was, and can't be used.") from error
