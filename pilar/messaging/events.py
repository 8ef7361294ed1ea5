"""Messaging's events and jobs. What belongs here: their payloads; references, never personal data."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from pilar.backplane.facts import Payload


class MessageReceived(Payload):
    """A lead wrote something that wants an answer. Consent and hand-over have been seen to already."""

    type_name: ClassVar[str] = "message.received"

    message_id: UUID
    lead_id: UUID


class HandedOver(Payload):
    """A person is to answer a lead from now on."""

    type_name: ClassVar[str] = "conversation.handed_over"

    lead_id: UUID
    reason: str


class OptedOut(Payload):
    """A lead withdrew their consent."""

    type_name: ClassVar[str] = "lead.opted_out"

    lead_id: UUID
    scope: str


class TemplateChanged(Payload):
    """WhatsApp has decided about a template."""

    type_name: ClassVar[str] = "template.changed"

    template_id: UUID
    state: str


class NumberChanged(Payload):
    """WhatsApp sees a studio's number or account differently; how it stands is in its row."""

    type_name: ClassVar[str] = "messaging.number_changed"

    what: str


class AccountTold(Payload):
    """WhatsApp has told something of a studio's account or number; `field` says of what kind. How it is, is asked."""

    type_name: ClassVar[str] = "messaging.account_told"

    field: str


class ReadNumber(Payload):
    """Ask WhatsApp how a studio's number and account stand."""

    type_name: ClassVar[str] = "messaging.read_number"
    from_outside: ClassVar[bool] = True


class OfWindow(Payload):
    """A lead waits for an answer, and their 24-hour window is about to close or has closed."""

    lead_id: UUID
    closes_at: AwareDatetime
    """Business time."""


class SessionWindowClosing(OfWindow):
    """A window closes soon on a lead whom nobody has answered."""

    type_name: ClassVar[str] = "whatsapp.session_window_closing"


class SessionWindowClosed(OfWindow):
    """A window has closed on a lead whom nobody had answered."""

    type_name: ClassVar[str] = "whatsapp.session_window_closed"


class SendMessage(Payload):
    """Hand a message to its provider, if the verdict allows."""

    type_name: ClassVar[str] = "messaging.send"

    message_id: UUID


class SubmitTemplates(Payload):
    """Have WhatsApp review the templates that a studio has drafted, and read how the others stand."""

    type_name: ClassVar[str] = "messaging.submit_templates"
    from_outside: ClassVar[bool] = True


class ReleaseHeld(Payload):
    """Ask again for what a pause kept back."""

    type_name: ClassVar[str] = "messaging.release_held"

    workspace_id: UUID | None
    control_id: UUID
    after: UUID | None = None


class ImportLeads(Payload):
    """A file of leads is to be worked through, from where it stands."""

    type_name: ClassVar[str] = "messaging.import_leads"

    import_id: UUID


class EraseLead(Payload):
    """Everything that tells who a lead is has to be shredded."""

    type_name: ClassVar[str] = "messaging.erase_lead"

    lead_id: UUID


class RefusalUnclear(Payload):
    """A lead's message may ask for silence in words that no rule knows: whoever understands more reads it.

    They call `refusals.settle` with what they found, or `refusals.leave_to_person`.
    """

    type_name: ClassVar[str] = "message.refusal_unclear"

    message_id: UUID
    lead_id: UUID


class RefusalUnanswered(Payload):
    """Nobody has told for a week whether a message refuses: take it for a refusal of marketing."""

    type_name: ClassVar[str] = "messaging.refusal_unanswered"

    message_id: UUID


class HandBack(Payload):
    """Have the bot answer a lead again, if nothing was said since a person took over or last spoke."""

    type_name: ClassVar[str] = "messaging.hand_back"

    lead_id: UUID
    since: str
    """When the person took over, as ISO 8601: another time is another hand-over, with a job of its own."""


class FetchMedia(Payload):
    """Fetch the picture, sound or file that came with a message."""

    type_name: ClassVar[str] = "messaging.fetch_media"

    message_id: UUID


class RegisterAgain(Payload):
    """WhatsApp says that a studio's number is not registered: register it, and send the message that found it out."""

    type_name: ClassVar[str] = "messaging.register_again"

    message_id: UUID
