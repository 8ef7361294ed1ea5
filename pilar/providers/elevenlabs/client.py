"""What PILAR asks of ElevenLabs. What belongs here: voices, speech, cloning, and how much of the month is left.

What does not: who may have a voice cloned (they must agree to it), and where the sound goes.
It is a thin client of our own: five calls need no SDK.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from pilar.backplane.breakers import Breakers
from pilar.errors import Invalid
from pilar.providers import documents
from pilar.providers.calls import Line, is_set, required
from pilar.providers.documents import Document, Unreadable
from pilar.providers.elevenlabs.errors import ELEVENLABS, refusal_of
from pilar.settings import Settings

MODEL = "eleven_multilingual_v2"
LONGEST_TEXT = 10_000
"""Characters that this model takes in one request."""


@dataclass(frozen=True)
class Voice:
    """A voice that can speak; `category` is theirs (premade, cloned, …)."""

    id: str
    name: str
    category: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """A recording to clone a voice from."""

    file_name: str
    content: bytes
    media_type: str = "audio/mpeg"


@dataclass(frozen=True)
class Sound:
    """Spoken text.

    Attributes:
        characters: what it took of the month's; None where the answer does not say.
    """

    content: bytes
    media_type: str
    characters: int | None


@dataclass(frozen=True)
class Subscription:
    """How much of the month is left.

    Attributes:
        resets_at: real time; None where there is no end.
    """

    tier: str
    status: str
    characters_used: int
    characters_limit: int
    voices_limit: int
    resets_at: datetime | None

    @property
    def characters_left(self) -> int:
        """How many may still be spoken."""
        return max(self.characters_limit - self.characters_used, 0)


class ElevenLabs:
    """ElevenLabs. Safe to share between threads."""

    def __init__(self, settings: Settings, breakers: Breakers | None = None) -> None:
        """Take the settings, and the breakers of this process; without them each call is made, whatever came before."""
        self._settings = settings
        self._line = Line(settings.provider_timeout_seconds)
        self._elevenlabs = ELEVENLABS.guarded(breakers)

    @property
    def is_configured(self) -> bool:
        """Whether there is a key."""
        return is_set(self._settings, "elevenlabs_api_key")

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    def voices(self) -> list[Voice]:
        """Every voice of the account."""
        with self._elevenlabs.reads("voices"):
            answer = documents.parse(self._call("GET", ("voices",)).content)
            return [_voice(one) for one in documents.children(answer, "voices")]

    def voice(self, voice_id: str) -> Voice:
        """One voice.

        Raises:
            NotFound: there is none by that id.
        """
        with self._elevenlabs.reads("voice"):
            return _voice(documents.parse(self._call("GET", ("voices", voice_id)).content))

    def speak(self, voice_id: str, text: str, *, model: str = MODEL) -> Sound:
        """Text as sound, as MP3. Asking again changes nothing but the characters that it takes.

        Args:
            voice_id: theirs.
            text: at most 10,000 characters.
            model: theirs.

        Raises:
            Invalid: the text is empty or too long.
            NotFound: there is no such voice or model.
            Permanent: the month's characters are used up.
        """
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise Invalid(f"A text to be spoken has 1 to {LONGEST_TEXT} characters, this one has {len(text)}.")
        with self._elevenlabs.reads("speak"):
            answer = self._call("POST", ("text-to-speech", voice_id), json={"text": text, "model_id": model})
            media_type = answer.headers.get("content-type", "").partition(";")[0]
            if not media_type.startswith("audio/") or not answer.content:
                raise Unreadable("the answer is no sound")
            cost = answer.headers.get("character-cost", "")
            return Sound(answer.content, media_type, int(cost) if cost.isascii() and cost.isdigit() else None)

    def clone(self, name: str, samples: Sequence[Sample], *, description: str = "") -> str:
        """A new voice from recordings; return its id.

        There is no idempotency key: let the name tell the intent, and look for it among `voices` before asking again.

        Args:
            name: the voice's.
            samples: at least one.
            description: for people.

        Raises:
            OutcomeUnknown: it may be there or not.
            Permanent: the account has no room for another voice.
        """
        if not samples:
            raise Invalid("A voice is cloned from at least one recording.")
        files = [("files", (sample.file_name, sample.content, sample.media_type)) for sample in samples]
        fields = {"name": name, "description": description}
        with self._elevenlabs.changes("clone"):
            answer = documents.parse(self._call("POST", ("voices", "add"), data=fields, files=files).content)
            return documents.text(answer, "voice_id")

    def delete(self, voice_id: str) -> None:
        """Delete a voice.

        Raises:
            NotFound: it is not there (any more).
        """
        with self._elevenlabs.changes("delete"):
            self._call("DELETE", ("voices", voice_id))

    def subscription(self) -> Subscription:
        """How much of the month is left."""
        with self._elevenlabs.reads("subscription"):
            answer = documents.parse(self._call("GET", ("user", "subscription")).content)
            return Subscription(
                tier=documents.text(answer, "tier"),
                status=documents.text(answer, "status"),
                characters_used=documents.whole_number(answer, "character_count") or 0,
                characters_limit=documents.whole_number(answer, "character_limit") or 0,
                voices_limit=documents.whole_number(answer, "voice_limit") or 0,
                resets_at=documents.moment(answer, "next_character_count_reset_unix"),
            )

    def _call(self, method: str, path: tuple[str, ...], **content: Any) -> httpx.Response:
        key = required(self._settings, "elevenlabs_api_key")
        base = required(self._settings, "elevenlabs_api_base")
        address = "/".join([base, "v1", *(quote(part, safe="") for part in path)])
        answer = self._line.http.request(method, address, headers={"xi-api-key": key}, **content)
        if answer.status_code >= 400:
            raise refusal_of(answer)
        return answer


def _voice(document: Document) -> Voice:
    return Voice(
        id=documents.text(document, "voice_id"),
        name=documents.text(document, "name"),
        category=documents.optional_text(document, "category") or "",
        labels=documents.texts(document, "labels"),
    )
