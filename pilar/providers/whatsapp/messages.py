"""Sending messages over Meta's Graph API. What belongs here: each form of message, and the files that go with one.

What does not: whether a message may be sent at all (`messaging`). It is the part of the Graph client (`client.py`) that
every message goes through; how a call is made is the client's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from pilar.providers import documents
from pilar.providers.calls import Provider
from pilar.providers.documents import Document, Unreadable


class Messages(ABC):
    """Sends messages."""

    _meta: Provider

    @abstractmethod
    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        token: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
    ) -> Document:
        """Make a call and return what it answers, or raise what its refusal means."""

    def send_text(
        self, token: str, phone_number_id: str, to: str, body: str, *, callback: str, reply_to: str | None = None
    ) -> str:
        """Send free text, which is allowed while the lead's window is open.

        Args:
            token: the studio's.
            phone_number_id: Meta's, of the number that sends.
            to: the lead's number in E.164, or their WhatsApp id.
            body: at most 4,096 characters.
            callback: comes back with each status of the message, 512 characters at most: our id of it.
            reply_to: Meta's id of the message that is quoted.

        Returns:
            Meta's id of the message. It has been accepted, not sent: a window that turns out to be closed comes as a
            status.

        Raises:
            Invalid: it lacks something.
            OutcomeUnknown: it may have been accepted: a status that carries `callback` tells.
        """
        content: dict[str, Any] = {"type": "text", "text": {"body": body, "preview_url": False}}
        if reply_to is not None:
            content["context"] = {"message_id": reply_to}
        return self._send("send_text", token, phone_number_id, to, callback, content)

    def send_buttons(
        self, token: str, phone_number_id: str, to: str, body: str, buttons: Mapping[str, str], *, callback: str
    ) -> str:
        """Send free text with buttons under it, which is allowed while the lead's window is open.

        Args:
            token: the studio's.
            phone_number_id: Meta's, of the number that sends.
            to: the lead's number in E.164, or their WhatsApp id.
            body: at most 1,024 characters.
            buttons: one to three titles of at most 20 characters, by the id that comes back with the choice.
            callback: as with `send_text`.

        Returns:
            Meta's id of the message, as with `send_text`.

        Raises:
            Invalid: it lacks something, or has too much of it.
            OutcomeUnknown: as with `send_text`.
        """
        choices = [{"type": "reply", "reply": {"id": name, "title": title}} for name, title in buttons.items()]
        interactive = {"type": "button", "body": {"text": body}, "action": {"buttons": choices}}
        content = {"type": "interactive", "interactive": interactive}
        return self._send("send_buttons", token, phone_number_id, to, callback, content)

    def upload_media(self, token: str, phone_number_id: str, content: bytes, mime_type: str, name: str) -> str:
        """Upload a file that messages of a number may show for thirty days; return Meta's id of it.

        Args:
            token: the studio's.
            phone_number_id: Meta's, of the number that will send it.
            content: at most five mebibytes of a picture.
            mime_type: such as `image/png`.
            name: of the file.

        Raises:
            Invalid: Meta doesn't take such a file, or so much of it.
            OutcomeUnknown: it may be there, under an id that nobody knows: a second upload does no harm.
        """
        form = {"messaging_product": "whatsapp", "type": mime_type}
        file = {"file": (name, content, mime_type)}
        with self._meta.changes("upload_media"):
            return documents.text(self._call("POST", (phone_number_id, "media"), token, form=form, files=file), "id")

    def send_image(
        self, token: str, phone_number_id: str, to: str, media_id: str, caption: str, *, callback: str
    ) -> str:
        """Send an uploaded picture with words under it, which is allowed while the lead's window is open.

        Args:
            token: the studio's.
            phone_number_id: Meta's, of the number that sends.
            to: the lead's number in E.164, or their WhatsApp id.
            media_id: as `upload_media` gave it.
            caption: at most 1,024 characters.
            callback: as with `send_text`.

        Returns:
            Meta's id of the message, as with `send_text`.

        Raises:
            Invalid: the picture is no longer there, or the caption is too long.
            OutcomeUnknown: as with `send_text`.
        """
        content = {"type": "image", "image": {"id": media_id, "caption": caption}}
        return self._send("send_image", token, phone_number_id, to, callback, content)

    def send_template(
        self,
        token: str,
        phone_number_id: str,
        to: str,
        name: str,
        language: str,
        parameters: Sequence[str],
        *,
        callback: str,
    ) -> str:
        """Send an approved template, whether the window is open or not.

        Args:
            token: the studio's.
            phone_number_id: Meta's, of the number that sends.
            to: the lead's number in E.164, or their WhatsApp id.
            name: the template's.
            language: the template's, such as `nl`.
            parameters: what takes the place of {{1}}, {{2}} and so on.
            callback: as with `send_text`.

        Returns:
            Meta's id of the message, as with `send_text`.

        Raises:
            Permanent: the template is not there or not approved, paused or disabled; `reaction_to` tells which.
            Invalid: the number of parameters is not the template's.
            OutcomeUnknown: as with `send_text`.
        """
        template: dict[str, Any] = {"name": name, "language": {"code": language}}
        if parameters:
            values = [{"type": "text", "text": value} for value in parameters]
            template["components"] = [{"type": "body", "parameters": values}]
        content = {"type": "template", "template": template}
        return self._send("send_template", token, phone_number_id, to, callback, content)

    def _send(
        self, operation: str, token: str, phone_number_id: str, to: str, callback: str, content: Mapping[str, Any]
    ) -> str:
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": to,
            "biz_opaque_callback_data": callback,
            **content,
        }
        with self._meta.changes(operation):
            answer = self._call("POST", (phone_number_id, "messages"), token, body=body)
            accepted = documents.children(answer, "messages")
            if len(accepted) != 1:
                raise Unreadable("one message was sent, and not one was accepted")
            return documents.text(accepted[0], "id")
