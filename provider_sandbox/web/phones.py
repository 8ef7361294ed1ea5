"""Telephones. What belongs here: the pages on which a visitor is anybody, and a new telephone; forms' calls are `/act`.

A telephone's messages are sent by the control API, so that what is typed here reaches the product as any lead's does.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from provider_sandbox.meta import media
from provider_sandbox.personas import PERSONAS
from provider_sandbox.state import State
from provider_sandbox.web import chats, people
from provider_sandbox.web.acting import Control, Refused, own_form
from provider_sandbox.web.chats import Chat
from provider_sandbox.web.frame import HEADERS, Notice, back_to, page
from provider_sandbox.web.people import Studio

NUMBER = re.compile(r"\+[1-9]\d{6,14}")
PICTURES = ("image/jpeg", "image/png", "image/webp")
EMOJI = ("👍", "❤️", "😂", "🙏")
LONGEST_NAME = 60


def phones_router(state: State, control: Control) -> APIRouter:
    """`/phones`, each telephone, and the pictures in its chats."""
    router = APIRouter()

    @router.get("/phones")
    async def listed(request: Request, q: str = "") -> Response:
        """All people and all studios' numbers."""
        with state.transaction() as tx:
            everybody = people.people(tx)
            values: dict[str, Any] = {"people": people.matching(everybody, q), "total": len(everybody), "q": q}
            values |= {"studios": people.studios(tx), "free": people.unused_number(tx), "personas": PERSONAS}
        return page(request, "phones", **values)

    @router.post("/phones")
    async def make(request: Request) -> Response:
        """A new telephone writes its first message."""
        fields = await own_form(request)
        number, name = re.sub(r"[\s()-]", "", fields.get("number", "")), fields.get("name", "")
        try:
            _check(number, name)
            studio = fields.get("to", "")
            if fields.get("persona"):
                lead = {"to": studio, "from": number, "name": name, "persona": fields["persona"]}
                await control.call("POST", "leads", lead)
            else:
                await _write(control, studio, number, name, fields.get("text", ""))
        except Refused as problem:
            return back_to("/phones", Notice(str(problem), is_problem=True))
        with state.transaction() as tx:
            people.make(tx, number, name)
        return back_to(f"/phones/{number}?{urlencode({'with': studio, 'by': 'whatsapp'})}")

    @router.get("/phones/media/{identity}")
    async def picture(identity: str) -> Response:
        """A file of a chat: pictures to be seen, the rest to be kept."""
        with state.transaction() as tx:
            found = tx.get(media.KIND, identity)
        if found is None:
            raise HTTPException(404, "There is no such file.")
        kind = found["mime_type"].partition(";")[0]
        headers = HEADERS if kind in PICTURES else HEADERS | {"Content-Disposition": "attachment"}
        return Response(base64.b64decode(found["content"]), media_type=kind, headers=headers)

    @router.get("/phones/{number}")
    async def one(request: Request, number: str, by: chats.By | None = None) -> Response:
        """A telephone with its chats, one of which is open."""
        other = request.query_params.get("with")
        with state.transaction() as tx:
            studios = {studio.number: studio for studio in people.studios(tx)}
            if number in studios:
                told: dict[str, Any] = {"chats": chats.of_studio(tx, number), "people": people.people(tx)}
                return page(request, "studio_phone", studio=studios[number], **told)
            person = people.people(tx, number).get(number)
            if person is None:
                raise HTTPException(404, f"Nobody has the number {number}: make a new telephone at /phones.")
            listed = chats.of_person(tx, number)
            wanted = _open_chat(listed, number, studios.get(other or ""), by or "whatsapp")
            values: dict[str, Any] = {"chat": wanted, "bubbles": chats.messages(tx, wanted) if wanted else []}
        values |= {"person": person, "chats": listed, "studios": studios, "emoji": EMOJI, "is_chosen": bool(other)}
        values["is_refused"] = bool(other) and wanted is None
        return page(request, "phone", **values)

    return router


def _check(number: str, name: str) -> None:
    if not NUMBER.fullmatch(number):
        raise Refused("A number is written like +31612345678: a plus, the country's code, and the rest.")
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Refused(f"A name has between 1 and {LONGEST_NAME} letters.")


async def _write(control: Control, studio: str, number: str, name: str, text: str) -> None:
    if not studio:
        raise Refused("Choose a studio to write to: one appears here when its number is on WhatsApp.")
    if not text:
        raise Refused("Write a message: the chat begins with it.")
    said = {"from": number, "name": name, "text": text}
    await control.call("POST", "meta/inbound", {"entries": [{"to": studio, "messages": [said]}]})


def _open_chat(listed: list[Chat], person: str, studio: Studio | None, by: chats.By) -> Chat | None:
    """The chat that is asked for, which may be new; else the latest."""
    if studio is None:
        return listed[0] if listed else None
    for chat in listed:
        if (chat.studio, chat.by) == (studio.number, by):
            return chat
    can_be = studio.on_whatsapp if by == "whatsapp" else studio.by_sms
    if not can_be:
        return None
    return Chat(by, person, studio.number, 0, "")
