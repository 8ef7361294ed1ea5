"""Twilio's part of a sandbox for tests. What belongs here: its control API as methods."""

from __future__ import annotations

from typing import Any

from provider_sandbox.playing import Controlled
from provider_sandbox.twilio.lines import Line
from provider_sandbox.twilio.senders import Status


class TwilioPlays(Controlled):
    """What Twilio and people with a telephone can be made to do."""

    def receive_sms(self, *, to: str, sender: str, text: str) -> dict[str, Any]:
        """Play somebody who sends an SMS to a bought number."""
        return dict(self._call("POST", "sms", json={"to": to, "sender": sender, "text": text}))

    def play_twilio_answer(self, code: int, *, path: str = "*", to: str | None = None, times: int = 1) -> None:
        """Have Twilio answer the next requests with an error; arguments as of `twilio.answers.Answer`."""
        self._call("PUT", "twilio/answers", json={"code": code, "path": path, "to": to, "times": times})

    def clear_twilio_answers(self) -> None:
        """Play no answers any more."""
        self._call("DELETE", "twilio/answers")

    def set_line(self, number: str, line: Line) -> None:
        """Say what telephone is behind a number: SMS to a landline, or to one that is off, don't arrive."""
        self._call("PUT", "twilio/lines", json={"number": number, "line": line})

    def add_twilio_parent(self, friendly_name: str) -> dict[str, Any]:
        """Open one more parent account; returns it with its token."""
        return dict(self._call("POST", "twilio/parents", json={"friendly_name": friendly_name}))

    def set_twilio_account_status(self, sid: str, status: str) -> None:
        """Play Twilio, which suspends an account, or lets it work again."""
        self._call("PUT", "twilio/accounts", json={"sid": sid, "status": status})

    def drift_number(self, number: str, **changes: Any) -> dict[str, Any]:
        """Play somebody who changes or takes away a number; fields as of `PUT /control/twilio/numbers`."""
        return dict(self._call("PUT", "twilio/numbers", json={"number": number, **changes}))

    def set_sender_status(self, sid: str, status: Status, reason: str | None = None) -> dict[str, Any]:
        """Play Twilio or Meta, which gives a WhatsApp sender another state."""
        return dict(self._call("PUT", "twilio/senders", json={"sid": sid, "status": status, "reason": reason}))
