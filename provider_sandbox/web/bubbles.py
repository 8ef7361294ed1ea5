"""One message as a telephone shows it. What belongs here: words, choices and marks of a provider's object; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provider_sandbox.state import Body

RANK = ("sent", "delivered", "read", "failed")
"""Statuses come in any order, and the highest is what a telephone shows."""
UNDER_WAY = "under way"


@dataclass(frozen=True)
class Choice:
    """Something that can be pressed in a message.

    Attributes:
        label: its words.
        fields: of the message that pressing it sends; empty for a link.
        link: where it leads.
    """

    label: str
    fields: Mapping[str, str] = field(default_factory=dict)
    link: str = ""


@dataclass
class Bubble:
    """A message.

    Attributes:
        id: the provider's.
        by_person: the person wrote it, not the studio.
        kind: the provider's word for what it is.
        text: what is read in it.
        at: its moment, in any form.
        status: how far it has come.
        problem: why it did not arrive.
        choices: what can be pressed.
        media: the file that came with it, by its id.
        link: the file's address where it is elsewhere.
        answers: the message that it answers, by its id.
        quote: the beginning of that message.
        about: the message that this reaction, change or withdrawal is about.
        reactions: what others made of it.
        note: what happened to it.
    """

    id: str
    by_person: bool
    kind: str
    text: str
    at: str | float
    status: str = ""
    problem: str = ""
    choices: list[Choice] = field(default_factory=list)
    media: str = ""
    link: str = ""
    answers: str = ""
    quote: str = ""
    about: str = ""
    reactions: dict[bool, str] = field(default_factory=dict)
    note: str = ""


def from_studio(body: Body, template: Body | None) -> Bubble:
    """A message that a studio has sent by WhatsApp, with its template where it was sent by one."""
    content = body.get("content") or {}
    kind = body["type"]
    bubble = Bubble(body["id"], False, kind, body["text"], body["at"], _highest(body["statuses"]))
    if body["error"]:
        bubble.problem = f"{body['error']['code']}: {body['error'].get('error_data', {}).get('details', '')}"
    bubble.answers = body["reply_to"] or ""
    if kind == "reaction":
        bubble.about = content["message_id"]
    elif kind == "template":
        bubble.choices = _template_choices(template, bubble.id)
    elif kind == "interactive":
        bubble.choices = _interactive_choices(content)
    elif kind == "location":
        bubble.text = _place(content)
    elif isinstance(content, Mapping) and ("id" in content or "link" in content):
        bubble.media, bubble.link = content.get("id") or "", content.get("link") or ""
    return bubble


def from_person(body: Body, *, was_seen: bool = False) -> Bubble:
    """A message that somebody has sent to a studio by WhatsApp."""
    kind = body["type"]
    content: Any = body.get(kind) or {}
    bubble = Bubble(body["id"], True, kind, "", body["timestamp"], "read" if was_seen else "sent")
    bubble.answers = (body.get("context") or {}).get("id") or ""
    if kind == "text":
        bubble.text = content["body"]
    elif kind == "button":
        bubble.text = content["text"]
    elif kind == "interactive":
        bubble.text = str(content.get(content.get("type"), {}).get("title", ""))
    elif kind == "reaction":
        bubble.text, bubble.about = content.get("emoji", ""), str(content.get("message_id"))
    elif kind == "edit":
        bubble.text = str(content.get("message", {}).get("text", {}).get("body", ""))
        bubble.about = str(content["original_message_id"])
    elif kind == "revoke":
        bubble.about = str(content["original_message_id"])
    elif kind == "location":
        bubble.text = _place(content)
    elif kind == "contacts":
        bubble.text = ", ".join(one["name"]["formatted_name"] for one in content)
    elif isinstance(content, Mapping):
        bubble.media = str(content.get("id", ""))
        bubble.text = str(content.get("caption") or content.get("text") or content.get("body") or "")
    return bubble


def sms(body: Body, person: str) -> Bubble:
    """An SMS in a person's chat."""
    bubble = Bubble(body["sid"], body["from"] == person, "text", body["body"], body["date_created"], body["status"])
    if body["error_code"]:
        bubble.problem = f"{body['error_code']}: {body['error_message'] or 'it did not arrive.'}"
    return bubble


def with_changes(found: list[Bubble]) -> list[Bubble]:
    """Put reactions, edits and withdrawals where they belong, and beginnings of messages beside their answers."""
    known = {bubble.id: bubble for bubble in found}
    shown = []
    for bubble in found:
        target = known.get(bubble.about)
        if bubble.answers in known:
            bubble.quote = known[bubble.answers].text
        if target is None:
            shown.append(bubble)
        elif bubble.kind == "reaction":
            target.reactions[bubble.by_person] = bubble.text
        elif bubble.kind == "edit":
            target.text, target.note = bubble.text, "edited"
        else:
            target.text, target.note = "", "taken back"
    return shown


def _highest(statuses: list[str]) -> str:
    return max(statuses, key=RANK.index, default=UNDER_WAY)


def _template_choices(template: Body | None, message: str) -> list[Choice]:
    components = template["components"] if template else []
    buttons = [one for part in components if str(part.get("type")).upper() == "BUTTONS" for one in part["buttons"]]
    return [
        Choice(one["text"], link=str(one["url"]))
        if "url" in one
        else Choice(one["text"], {"type": "button", "text": one["text"], "context": message})
        for one in buttons
    ]


def _interactive_choices(content: Mapping[str, Any]) -> list[Choice]:
    kind, action = content["type"], content["action"]
    if kind == "button":
        return [_reply("button_reply", one["reply"]) for one in action["buttons"]]
    if kind == "list":
        return [_reply("list_reply", row) for section in action["sections"] for row in section["rows"]]
    if kind == "cta_url":
        return [Choice(action["parameters"]["display_text"], link=action["parameters"]["url"])]
    return [Choice("Send location", {"type": "location", "text": "Home"})]


def _reply(kind: str, chosen: Mapping[str, Any]) -> Choice:
    fields = {"type": "interactive", "text": str(chosen["title"]), "fields.type": kind}
    told = {f"fields.{kind}.{name}": str(chosen[name]) for name in ("id", "title", "description") if chosen.get(name)}
    return Choice(str(chosen["title"]), fields | told)


def _place(content: Mapping[str, Any]) -> str:
    name = content.get("name") or content.get("address") or "A place"
    return f"{name} ({content['latitude']}, {content['longitude']})"
