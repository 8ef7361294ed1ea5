"""What a page says of a message that may be a refusal. What belongs here: the sentences; pure."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from pilar.agents import refusal_reader, turns
from pilar.messaging.overview import MaybeRefusal
from pilar.messaging.unclear import ASKED, TO_PERSON
from webhook_ingest.dashboards.authors import note_author

_WHY = {
    refusal_reader.NOT_ALLOWED: "The studio has no model that may read it.",
    refusal_reader.CANT_TELL: "The model can't tell.",
    turns.AWAY: "The model did not answer.",
    turns.OVER_BUDGET: "The studio's budget for the model is used up.",
    turns.NOT_CONFIGURED: "The model that the agent names can't be asked.",
    turns.DECLINED: "The model would not answer.",
    turns.UNUSABLE: "What the model answered is no answer.",
    turns.LOST: "What the model answered got lost.",
}
_FOUND = {"all": "wants no messages", "marketing": "wants no marketing", "none": "does not refuse"}
_BY = {
    "unanswered": "since nobody told within a week",
    "lead": "since the lead took it back",
    "keyword": "by what the lead wrote elsewhere",
    "wording": "by what the lead wrote elsewhere",
    "provider": "as WhatsApp told",
    "founder": "with silence from every studio",
    "import": "by a file",
    "merge": "by the lead that was put together with this one",
}


def refusal_in_words(one: MaybeRefusal, people: Mapping[UUID, str]) -> str:
    """How it stands with a message, as sentences; `people` are the studio's, by their ids."""
    if one.state == ASKED:
        return "This may be a refusal. The model is reading it; nothing that was not asked for goes until that is told."
    if one.state == TO_PERSON:
        why = _WHY.get(one.why_person or "", "")
        return f"This may be a refusal, and you have to tell. {why} Nothing that was not asked for goes until then."
    by = one.told_by or ""
    told = f"as {one.model} reads it" if by == "model" else _BY.get(by) or f"as {note_author(by, people)} told"
    return f"The lead {_FOUND.get(one.found or '', 'was unclear')}, {told}."
