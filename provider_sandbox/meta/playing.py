"""Meta's part of a sandbox for tests. What belongs here: its control API as methods."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from provider_sandbox.playing import Controlled


class MetaPlays(Controlled):
    """What Meta and people on WhatsApp can be made to do."""

    def play_answer(
        self,
        code: int,
        *,
        sender: str | None = None,
        to: str | None = None,
        times: int = 1,
        how: Literal["call", "status"] | None = None,
        delivered: bool = False,
        details: str | None = None,
    ) -> None:
        """Have Meta answer the next messages with an error; arguments as of `meta.answers.Answer`."""
        wanted = {"code": code, "from": sender, "to": to, "times": times, "how": how}
        self._call("PUT", "meta/answers", json={**wanted, "delivered": delivered, "details": details})

    def played_answers(self) -> list[dict[str, Any]]:
        """What will be answered, and to how many more messages."""
        return list(self._call("GET", "meta/answers"))

    def clear_answers(self) -> None:
        """Play no answers any more."""
        self._call("DELETE", "meta/answers")

    def receive_whatsapp(self, *, to: str, sender: str, text: str = "", repeat: int = 1, **more: Any) -> str:
        """Play somebody who writes to a studio's number; `more` is what `meta.inbound_kinds.Said` knows beside these.

        Returns:
            The wamid.
        """
        entry = {"to": to, "messages": [{"from": sender, "text": text, **more}]}
        answer = self._call("POST", "meta/inbound", json={"entries": [entry], "repeat": repeat})
        return next(iter(answer["ids"]), "")

    def receive_delivery(self, entries: Sequence[dict[str, Any]], *, repeat: int = 1) -> list[str]:
        """Play people who write to several studios, in one delivery; entries as of `POST /control/meta/inbound`."""
        answer = self._call("POST", "meta/inbound", json={"entries": list(entries), "repeat": repeat})
        return list(answer["ids"])

    def block(self, *, to: str, sender: str, blocked: bool = True) -> None:
        """Play somebody who blocks a studio's number."""
        self._call("PUT", "meta/blocks", json={"to": to, "from": sender, "blocked": blocked})

    def read_chat(self, *, to: str, sender: str) -> int:
        """Play somebody who opens their chat with a studio. Returns how many statuses are told before their time."""
        return int(self._call("POST", "meta/reads", json={"to": to, "from": sender})["told"])

    def set_preference(self, *, to: str, sender: str, value: Literal["stop", "resume"] = "stop") -> None:
        """Play somebody who stops or resumes a studio's marketing in WhatsApp's own settings."""
        self._call("PUT", "meta/preferences", json={"to": to, "from": sender, "value": value})

    def decide_on_business(self, waba: str, **decision: Any) -> dict[str, Any]:
        """Play Meta, which decides about a business; fields as of `PUT /control/meta/businesses`."""
        return dict(self._call("PUT", "meta/businesses", json={"waba": waba, **decision}))

    def decide_on_number(self, number: str, **decision: Any) -> dict[str, Any]:
        """Play Meta, which decides about a number; fields as of `PUT /control/meta/numbers`."""
        return dict(self._call("PUT", "meta/numbers", json={"number": number, **decision}))

    def set_template_status(
        self, waba: str, name: str, language: str, event: str, reason: str | None = None
    ) -> dict[str, Any]:
        """Play Meta, which pauses, disables, rejects or approves a template."""
        wanted = {"waba": waba, "name": name, "language": language, "event": event, "reason": reason}
        return dict(self._call("POST", "meta/templates/status", json=wanted))

    def set_template_quality(self, waba: str, name: str, language: str, score: str) -> dict[str, Any]:
        """Play people's complaints or praise about a template: a RED one is paused for 3 h, for 6 h, then disabled."""
        wanted = {"waba": waba, "name": name, "language": language, "score": score}
        return dict(self._call("PUT", "meta/templates/quality", json=wanted))

    def set_up_before(self, name: str, *numbers: str, pin: str | None = None) -> dict[str, Any]:
        """Play somebody who has a business on WhatsApp already, with verified numbers; the dialog offers it."""
        return dict(self._call("POST", "meta/businesses", json={"name": name, "numbers": numbers, "pin": pin}))

    def use_elsewhere(self, number: str, *, used: bool = True) -> None:
        """Play a number that is used in the WhatsApp app; `used=False`: its account there is deleted."""
        self._call("PUT", "meta/elsewhere", json={"number": number, "used": used})

    def forget_pin(self, number: str) -> None:
        """Play an owner who turns two-step verification off."""
        self.decide_on_number(number, pin_off=True)

    def codes_at(self, number: str) -> list[str]:
        """WhatsApp's codes that somebody can read on (or hear from) a telephone of their own, the newest last."""
        arrived = [one["body"] for one in self._call("GET", "objects/twilio.message") if one["to"] == number]
        found = (re.search(r"(\d{3})-(\d{3})", text) for text in arrived)
        return [match[1] + match[2] for match in found if match]
