"""The people of a studio: who is let in, how many, and who is not any more.

What belongs here: the rules. What does not: their mail (`invitations.py`), and the owner, who comes with the signup.

A plan has room for so many people besides the owner. Who adds one holds the studio's row, and so does who changes its
plan: two who add at once can't go past the limit together. A studio that moves to a smaller plan keeps its people, and
takes nobody in until there is room.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Job, enqueue
from pilar.clocks import Clocks
from pilar.errors import Conflict, Invalid, NotFound
from pilar.security.events import InviteMember
from pilar.workspaces import store as workspaces
from pilar.workspaces.plans import GRANTS, Plan

_ADDRESS = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]+\.[^@\s,;<>\".]{2,63}")
LONGEST_ADDRESS, LONGEST_NAME = 254, 100


@dataclass(frozen=True)
class Member:
    """Somebody who works in a studio; `since` is business time."""

    person_id: UUID
    name: str
    email: str
    role: str
    since: datetime


@dataclass(frozen=True)
class People:
    """A studio's people.

    Attributes:
        members: the owner first, then by how long they are there.
        limit: how many the plan has room for besides the owner.
        plan: the studio's.
        larger: the smallest plan with more room; None: there is none.
    """

    members: tuple[Member, ...]
    limit: int
    plan: Plan
    larger: Plan | None

    @property
    def taken(self) -> int:
        """How many there are besides the owner."""
        return sum(one.role != "owner" for one in self.members)

    @property
    def room(self) -> int:
        """How many more there may be."""
        return max(self.limit - self.taken, 0)

    @property
    def full(self) -> str | None:
        """Why nobody can be added and what to do about it, as sentences; None while there is room."""
        if self.room:
            return None
        there = (
            f"The plan, {self.plan}, has room for {self.limit} people besides the owner, and {self.taken} are there."
        )
        kept = " They all stay; nobody can be added." if self.taken > self.limit else ""
        larger = self.larger
        more = f", or move to {larger}, which has room for {GRANTS[larger].members}" if larger else ""
        return f"{there}{kept} Take somebody out{more}."


def people_of(connection: Connection, workspace_id: UUID) -> People:
    """A studio's people, and for how many more there is room; needs the fleet's scope.

    Raises:
        NotFound: there is no such studio.
    """
    plan = Plan(workspaces.get_workspace(connection, workspace_id).plan)
    rows = workspaces.members_of(connection, workspace_id)
    larger = [one for one in Plan if GRANTS[one].members > GRANTS[plan].members]
    return People(
        members=tuple(Member(row.id, row.name, row.email, row.role, row.created_at) for row in rows),
        limit=GRANTS[plan].members,
        plan=plan,
        larger=min(larger, key=lambda one: GRANTS[one].members, default=None),
    )


def add_member(
    connection: Connection, clocks: Clocks, workspace_id: UUID, *, email: str, name: str, actor: str
) -> tuple[Member, bool]:
    """Let somebody work in a studio and have them invited by mail; return them, and whether they are new.

    Args:
        connection: a transaction in the fleet's scope; it holds the studio until its end.
        clocks: both clocks.
        workspace_id: the studio's.
        email: theirs; the invitation goes there and nowhere else, since it signs them in.
        name: theirs; of somebody who is known already, their own name stays.
        actor: who adds them, as in the audit log.

    Raises:
        Invalid: that is no mail address, or no name.
        Conflict: the plan has no room for more, or the studio is closed.
        NotFound: there is no such studio.
    """
    address, called = email.strip().lower(), " ".join(name.split())
    if len(address) > LONGEST_ADDRESS or not _ADDRESS.fullmatch(address):
        raise Invalid("That is no mail address: it looks like anna@studio.example.")
    if not 1 <= len(called) <= LONGEST_NAME:
        raise Invalid(f"Say in 1 to {LONGEST_NAME} characters what they are called.")
    if workspaces.hold_workspace(connection, workspace_id, alone=True).state == "closed":
        raise Conflict("This studio is closed: nobody can be added any more.")
    people = people_of(connection, workspace_id)
    known = next((one for one in people.members if one.email == address), None)
    if known is not None:
        return known, False
    if people.full is not None:
        raise Conflict(people.full)
    now = clocks.real.now()
    person_id = workspaces.ensure_person(connection, email=address, name=called, phone=None, now=now)
    workspaces.ensure_membership(connection, workspace_id, person_id, "member", clocks.business.now())
    cause = Cause.new()
    _record(connection, "security.member_added", workspace_id, person_id, actor, now, cause)
    invitation = Job(
        payload=InviteMember(person_id=person_id),
        key=f"invite:{person_id}:{cause.correlation_id}",
        workspace_id=workspace_id,
    )
    enqueue(connection, clocks, [invitation], cause)
    return _member(connection, workspace_id, person_id), True


def remove_member(connection: Connection, clocks: Clocks, workspace_id: UUID, person_id: UUID, *, actor: str) -> None:
    """Let somebody work in a studio no more: what they come with stands for nothing there from the commit on.

    Raises:
        NotFound: nobody by that id works there.
        Conflict: it is the owner.
    """
    workspaces.hold_workspace(connection, workspace_id, alone=True)
    if _member(connection, workspace_id, person_id).role == "owner":
        raise Conflict("The owner can't be taken out: a studio has one.")
    workspaces.delete_membership(connection, workspace_id, person_id)
    _record(connection, "security.member_removed", workspace_id, person_id, actor, clocks.real.now(), Cause.new())


def _member(connection: Connection, workspace_id: UUID, person_id: UUID) -> Member:
    members = people_of(connection, workspace_id).members
    found = next((one for one in members if one.person_id == person_id), None)
    if found is None:
        raise NotFound("Nobody by that id works in this studio.")
    return found


def _record(
    connection: Connection, action: str, workspace_id: UUID, person_id: UUID, actor: str, now: datetime, cause: Cause
) -> None:
    audit.record(
        connection, actor=actor, action=action, subject=f"person:{person_id}", now=now, workspace_id=workspace_id,
        correlation_id=cause.correlation_id,
    )  # fmt: skip
