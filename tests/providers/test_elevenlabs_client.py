"""The client of ElevenLabs when the line or the provider misbehaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from pilar.errors import CredentialsRefused, Invalid, NotConfigured, OutcomeUnknown, Permanent, PilarError, Transient
from pilar.providers.elevenlabs.client import ElevenLabs, Sample
from pilar.settings import Settings
from tests.providers.local_http import Answer, LocalServer, Misbehaviour

SAMPLE = Sample("a.mp3", b"sound")


@pytest.fixture
def elevenlabs(server: LocalServer, settings_at: Callable[..., Settings]) -> Iterator[ElevenLabs]:
    found = ElevenLabs(settings_at(server.base))
    yield found
    found.close()


def detail(status: int, code: str, **headers: str) -> Answer:
    return Answer(status, {"detail": {"status": code, "message": "no"}}, headers)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (detail(401, "invalid_api_key"), CredentialsRefused),
        (detail(401, "quota_exceeded"), Permanent),
        (Answer(401, {"detail": {"type": "authentication_error", "code": "invalid_api_key"}}), CredentialsRefused),
        (detail(400, "max_character_limit_exceeded"), Invalid),
        (detail(429, "too_many_concurrent_requests"), Transient),
        (detail(429, "system_busy"), Transient),
        (Answer(422, {"detail": [{"loc": ["body", "text"], "msg": "text is required"}]}), Permanent),
        (Answer(500, b"<html>"), Transient),
        (Answer(200, b"", {"content-type": "audio/mpeg"}), Transient),
        (Answer(200, {"fine": True}, {"content-type": "application/json"}), Transient),
    ],
)
def test_what_becomes_of_speech_that_is_refused(
    elevenlabs: ElevenLabs, server: LocalServer, answer: Answer, kind: type[PilarError]
) -> None:
    server.answers(answer)
    with pytest.raises(kind) as caught:
        elevenlabs.speak("voice", "Hoi")
    assert type(caught.value) is kind
    assert len(server.requests) == 1


def test_the_wait_and_the_faulty_field_are_told(elevenlabs: ElevenLabs, server: LocalServer) -> None:
    server.answers(detail(429, "system_busy", **{"retry-after": "4"}))
    with pytest.raises(Transient) as caught:
        elevenlabs.voices()
    assert caught.value.retry_after == timedelta(seconds=4)
    server.answers(Answer(422, {"detail": [{"loc": ["body", "text"], "msg": "text is too odd"}]}))
    with pytest.raises(Permanent, match="text is too odd"):
        elevenlabs.speak("voice", "Hoi")


@pytest.mark.parametrize("how", [Misbehaviour.RESET, Misbehaviour.HANG_UP, Answer(200, {}), Answer(503, {})])
def test_whether_a_voice_was_made_is_in_doubt_where_the_line_breaks(
    elevenlabs: ElevenLabs, server: LocalServer, how: Any
) -> None:
    server.answers(how)
    with pytest.raises(OutcomeUnknown):
        elevenlabs.clone("coach", [SAMPLE])


def test_what_is_sent(elevenlabs: ElevenLabs, server: LocalServer) -> None:
    server.answers(Answer(200, b"\xff\xfb", {"content-type": "audio/mpeg"}), Answer(200, {"voice_id": "v"}))
    sound = elevenlabs.speak("a/b", "Hoi", model="eleven_flash_v2_5")
    assert (sound.content, sound.characters) == (b"\xff\xfb", None)
    assert elevenlabs.clone("coach", [SAMPLE], description="of a studio") == "v"
    spoken, cloned = server.requests
    assert (spoken.method, spoken.path) == ("POST", "/elevenlabs/v1/text-to-speech/a%2Fb")
    assert spoken.headers["xi-api-key"] == "sk_elevenlabs"
    assert spoken.document == {"text": "Hoi", "model_id": "eleven_flash_v2_5"}
    assert cloned.path == "/elevenlabs/v1/voices/add"
    assert b'name="files"; filename="a.mp3"' in cloned.body


def test_a_missing_key_is_named(settings_at: Callable[..., Settings]) -> None:
    without = ElevenLabs(settings_at("http://127.0.0.1:1", elevenlabs_api_key=None))
    assert not without.is_configured
    with pytest.raises(NotConfigured, match=r"PILAR_ELEVENLABS_API_KEY is not set\. voices"):
        without.voices()
    without.close()
