"""The founder's default template, and offering its newest version to studios.

What belongs here: writing versions, and the updater. What does not: what a studio makes of its own (`defaults.py`).

A part that a studio has changed is its own and stays; one that is as it was given is brought to the newest version.
Looked at first (a dry run tells every difference), then done; each studio in a step of its own, so that it may be
broken off and begun again at any time, and one that can't be updated keeps none of the others from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.database.engine import Database, Scope
from pilar.errors import Conflict
from pilar.provisioning import defaults_store as store
from pilar.provisioning.defaults import DefaultsKeeper
from pilar.provisioning.defaults_document import (
    PARTS,
    Difference,
    Part,
    WorkspaceDefaults,
    differences,
    digest,
    made_for,
)
from pilar.workspaces import fleet
from pilar.workspaces import store as workspaces
from pilar.workspaces.chunks import in_chunks
from pilar.workspaces.configuration import Section

TOLD = 50
"""Studios whose differences are told one by one; the others are counted."""


@dataclass(frozen=True)
class Offer:
    """What would be another in a studio."""

    workspace_id: UUID
    changes: dict[Part, list[Difference]]


@dataclass
class Updated:
    """What came of it.

    Attributes:
        template_version: of the template that was offered.
        looked_at: studios.
        up_to_date: studios of which nothing would be another.
        own: parts that studios have changed, by part: they stay.
        offers: studios with something to be brought up to date, and what; the first of them.
        offered: how many those are.
        failed: studios that can't be, with the reason.
        applied: whether it was done, or only looked at.
    """

    template_version: int
    applied: bool
    looked_at: int = 0
    up_to_date: int = 0
    offered: int = 0
    own: dict[str, int] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    failed: dict[UUID, str] = field(default_factory=dict)


def write_template(
    connection: Connection,
    clocks: Clocks,
    keeper: DefaultsKeeper,
    wanted: WorkspaceDefaults,
    *,
    expected_version: int | None,
    actor: str,
    note: str,
) -> int:
    """Write another version of the default template; the same document makes no new one. Return its number.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        keeper: who knows the template in force.
        wanted: the document.
        expected_version: the version that it was made from; None: whatever is the newest.
        actor: who, as in the audit log.
        note: what is new.

    Raises:
        Invalid: a schedule can't be read or never comes.
        Conflict: somebody else wrote a version meanwhile.
    """
    version, present = keeper.template(connection)
    if expected_version not in (None, version):
        raise Conflict(f"The default template is at version {version} by now: read it again and repeat the change.")
    keeper.check(wanted)
    if present == wanted:
        return version
    values = {
        "version": version + 1,
        "document": wanted.model_dump(mode="json"),
        "note": note,
        "created_by": actor,
        "created_at": clocks.business.now(),
    }
    store.add_template(connection, values)
    audit.record(
        connection,
        actor=actor,
        action="provisioning.default_template_written",
        subject=f"default_template:{version + 1}",
        now=clocks.real.now(),
        details={"note": note},
    )
    return version + 1


def update_studios(
    database: Database,
    clocks: Clocks,
    keeper: DefaultsKeeper,
    *,
    studios: Sequence[UUID] | None = None,
    parts: Iterable[Part] = PARTS,
    apply: bool,
    actor: str,
) -> Updated:
    """Look at, or bring up to date, what studios have not changed of the default template.

    Args:
        database: where; a transaction per studio.
        clocks: both clocks.
        keeper: who gives and changes.
        studios: those to look at; None: all that are open.
        parts: of the template.
        apply: do it; False: only tell what would be another.
        actor: who, as in the audit log.
    """
    with database.transaction(Scope.fleet()) as connection:
        version, template = keeper.template(connection)
        if studios is None:
            studios = fleet.open_workspaces(connection)
        else:
            for one in studios:
                workspaces.get_workspace(connection, one)
    wanted = tuple(parts)
    done = Updated(version, apply)

    def update(connection: Connection, chunk: Sequence[UUID]) -> list[tuple[Offer, list[Part]]]:
        return [
            _update_one(connection, clocks, keeper, one, version, template, wanted, apply=apply, actor=actor)
            for one in chunk
        ]

    chunked = in_chunks(database, studios, update, size=1 if apply else 200)
    done.failed = chunked.failed
    for offer, own in (pair for result in chunked.results for pair in result):
        done.looked_at += 1
        for part in own:
            done.own[part] = done.own.get(part, 0) + 1
        if not offer.changes:
            done.up_to_date += 1
            continue
        done.offered += 1
        if len(done.offers) < TOLD:
            done.offers.append(offer)
    return done


def _update_one(
    connection: Connection,
    clocks: Clocks,
    keeper: DefaultsKeeper,
    workspace_id: UUID,
    version: int,
    template: WorkspaceDefaults,
    parts: tuple[Part, ...],
    *,
    apply: bool,
    actor: str,
) -> tuple[Offer, list[Part]]:
    has = keeper.find(connection, workspace_id)
    if has is None:
        return Offer(workspace_id, {}), []  # provisioning has not come so far: it will be given the newest
    profile = workspaces.load_configuration(connection, workspace_id)[1].studio
    _, built_in = keeper.template(connection, 0)
    changes: dict[Part, list[Difference]] = {}
    wanted: dict[Part, Section] = {}
    own: list[Part] = []
    for part in parts:
        section = has.parts[part]
        if section is None:
            continue
        target = made_for(template, profile, part)
        # Studios that are older than the record of what they got were given what was built in.
        is_as_given = part in has.given or digest(section) == digest(made_for(built_in, profile, part))
        if digest(section) == digest(target):
            if apply and has.given.get(part) != version:
                store.note_given(connection, workspace_id, part, version, digest(target), clocks.business.now())
        elif is_as_given:
            changes[part], wanted[part] = differences(section, target), target
        else:
            own.append(part)
    if wanted and apply:
        note = f"version {version} of the default template"
        keeper.change(connection, workspace_id, wanted, expected_version=has.version, actor=actor, note=note)
        for part, target in wanted.items():
            store.note_given(connection, workspace_id, part, version, digest(target), clocks.business.now())
    return Offer(workspace_id, changes), own
