"""The control API's part for WhatsApp. What belongs here: playing people who write, and Meta's own decisions."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field, field_validator

from provider_sandbox.leads import Known, Leads, NewLead, Stranger, counted, listed
from provider_sandbox.meta import contacts, inbound, templates
from provider_sandbox.meta.inbound import Post, Unreachable
from provider_sandbox.meta.inbound_kinds import KINDS, Said
from provider_sandbox.meta.statuses import Statuses
from provider_sandbox.personas import Goal, Language, Mind, Mood, Persona, Topic
from provider_sandbox.state import State
from provider_sandbox.tasks import TaskQueue

Number = Field(pattern=r"^\+[1-9]\d{6,14}$")


class Body(BaseModel):
    """A request body: an unknown field is a mistake; numbers are in E.164."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Message(Body):
    """What somebody sends."""

    sender: str = Field(alias="from", pattern=r"^\+?[1-9]\d{6,14}$")
    name: str | None = None
    text: str = ""
    id: str | None = None
    type: str = "text"
    context: str | None = None
    fields: dict[str, Any] = {}
    group: str | None = None
    referral: dict[str, Any] | None = None
    hidden: bool = False

    @field_validator("type")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"people send one of {', '.join(KINDS)}")
        return kind

    def as_said(self) -> Said:
        """What this asks for."""
        return Said(
            self.sender,
            self.text,
            self.name,
            self.type,
            self.id,
            self.context,
            fields=self.fields,
            group=self.group,
            referral=self.referral,
            hidden=self.hidden,
        )


class Entry(Body):
    """What one studio's number receives."""

    to: str = Number
    messages: list[Message] = Field(min_length=1)


class Inbound(Body):
    """One delivery."""

    entries: list[Entry] = Field(min_length=1)
    repeat: int = Field(1, ge=1, le=10)


class Block(Body):
    """Somebody blocks a studio, or no longer does."""

    to: str = Number
    sender: str = Field(alias="from", pattern=r"^\+[1-9]\d{6,14}$")
    blocked: bool = True


class Reading(Body):
    """Somebody opens their chat with a studio."""

    to: str = Number
    sender: str = Field(alias="from", pattern=r"^\+[1-9]\d{6,14}$")


class TemplateStatus(Body):
    """Meta changes a template's status."""

    waba: str
    name: str
    language: str
    event: Literal["APPROVED", "DISABLED", "PAUSED", "PENDING", "REJECTED"]
    reason: str | None = None


class Lead(Body):
    """Somebody who is about to write to a studio."""

    to: str = Number
    sender: str = Field(alias="from", pattern=r"^\+[1-9]\d{6,14}$")
    name: str = Field(min_length=1)
    persona: Persona
    seed: int = 1
    language: Language = "en"
    mood: Mood = "calm"
    goal: Goal = "strength"

    def as_new(self) -> NewLead:
        """The lead that this asks for."""
        mind = Mind(self.persona, self.language, self.seed, mood=self.mood, goal=self.goal)
        return NewLead(self.to, self.sender, self.name, mind)


class Words(Body):
    """What a lead writes without being asked."""

    to: str = Number
    sender: str = Field(alias="from", pattern=r"^\+[1-9]\d{6,14}$")
    topic: Topic


def whatsapp_router(state: State, deliveries: TaskQueue, leads: Leads, statuses: Statuses) -> APIRouter:
    """Messages from people, simulated leads, and templates' statuses."""
    router = APIRouter()
    _people(router, state, deliveries, statuses)
    _leads(router, state, leads)
    return router


def _people(router: APIRouter, state: State, deliveries: TaskQueue, statuses: Statuses) -> None:
    @router.post("/control/meta/inbound", status_code=201)
    async def receive(wanted: Inbound) -> dict[str, list[str]]:
        """People write to studios; one delivery tells of it all."""
        posts = [Post(entry.to, [one.as_said() for one in entry.messages]) for entry in wanted.entries]
        try:
            with state.transaction() as tx:
                return {"ids": inbound.receive(tx, deliveries, posts, repeat=wanted.repeat).ids}
        except Unreachable as error:
            raise HTTPException(404, str(error)) from error

    @router.put("/control/meta/blocks")
    async def block(wanted: Block) -> dict[str, bool]:
        """Somebody blocks a studio's number."""
        try:
            with state.transaction() as tx:
                phone = inbound.phone_of(tx, wanted.to)
                contacts.block(tx, phone, contacts.digits(wanted.sender), blocked=wanted.blocked)
        except Unreachable as error:
            raise HTTPException(404, str(error)) from error
        return {"blocked": wanted.blocked}

    @router.post("/control/meta/reads")
    async def read(wanted: Reading) -> dict[str, int]:
        """Somebody reads what a studio has sent them, without the usual wait; tells how many statuses that moved."""
        try:
            with state.transaction() as tx:
                return {"told": statuses.hurry(tx, inbound.phone_of(tx, wanted.to), contacts.digits(wanted.sender))}
        except Unreachable as error:
            raise HTTPException(404, str(error)) from error

    @router.post("/control/meta/templates/status")
    async def decide(wanted: TemplateStatus) -> dict[str, str]:
        """Meta pauses, disables, rejects or approves a template."""
        with state.transaction() as tx:
            template = templates.find(tx, wanted.waba, wanted.name, wanted.language)
            if template is None:
                raise HTTPException(404, "There is no such template.")
            changed = templates.set_status(tx, deliveries, template, wanted.event, wanted.reason)
        return {"id": changed["id"], "status": changed["status"]}


def _leads(router: APIRouter, state: State, leads: Leads) -> None:
    def arrive(wanted: list[Lead]) -> list[dict[str, Any]]:
        try:
            with state.transaction() as tx:
                return leads.arrive(tx, [lead.as_new() for lead in wanted])
        except Unreachable as error:
            raise HTTPException(404, str(error)) from error
        except Known as error:
            raise HTTPException(409, str(error)) from error

    @router.post("/control/leads", status_code=201)
    async def add_lead(lead: Lead) -> dict[str, Any]:
        """A lead writes their first message."""
        return arrive([lead])[0]

    @router.post("/control/leads/batch", status_code=201)
    async def add_leads(wanted: list[Lead]) -> list[dict[str, Any]]:
        """Several leads write their first messages, which arrive in one delivery."""
        return arrive(wanted)

    @router.post("/control/leads/words", status_code=201)
    async def speak(wanted: Words) -> dict[str, Any]:
        """A lead writes again without being asked: a question, STOP, or START."""
        try:
            with state.transaction() as tx:
                return leads.speak(tx, wanted.to, wanted.sender, wanted.topic)
        except (Unreachable, Stranger) as error:
            raise HTTPException(404, str(error)) from error

    @router.get("/control/leads/counts")
    async def count() -> dict[str, dict[str, int]]:
        """How many leads each studio has, and what they sent and received."""
        with state.transaction() as tx:
            return counted(tx)

    @router.get("/control/leads")
    async def all_leads() -> list[dict[str, Any]]:
        """Each lead with what they sent and received."""
        with state.transaction() as tx:
            return listed(tx)
