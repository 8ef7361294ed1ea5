"""Our client of ElevenLabs against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilar.errors import CredentialsRefused, Invalid, NotFound, Permanent
from pilar.providers.elevenlabs.client import LONGEST_TEXT, ElevenLabs, Sample
from provider_sandbox.elevenlabs.sound import FRAME_BYTES, HEADER
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config
from tests.contract.world import settings_for


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    state: Path = tmp_path_factory.mktemp("voices")
    with running_sandbox(sandbox_config(state)) as running:
        yield running


@pytest.fixture(scope="module")
def elevenlabs(sandbox: RunningSandbox) -> Iterator[ElevenLabs]:
    found = ElevenLabs(settings_for(sandbox))
    yield found
    found.close()


def test_voices_are_listed_and_found(elevenlabs: ElevenLabs) -> None:
    voices = elevenlabs.voices()
    assert {"en", "nl", "de"} <= {voice.labels.get("language") for voice in voices}
    assert elevenlabs.voice(voices[0].id) == voices[0]
    with pytest.raises(NotFound):
        elevenlabs.voice("nobody")


def test_text_is_spoken_and_taken_from_the_months_characters(elevenlabs: ElevenLabs, sandbox: RunningSandbox) -> None:
    voice = elevenlabs.voices()[0]
    before = elevenlabs.subscription()
    sound = elevenlabs.speak(voice.id, "Tijd om te trainen!")
    assert (sound.media_type, sound.characters) == ("audio/mpeg", 19)
    frames = [sound.content[at : at + FRAME_BYTES] for at in range(0, len(sound.content), FRAME_BYTES)]
    assert all(frame.startswith(HEADER) and len(frame) == FRAME_BYTES for frame in frames)
    assert len(elevenlabs.speak(voice.id, "Tijd om te trainen! " * 3).content) > len(sound.content)
    after = elevenlabs.subscription()
    assert after.characters_used == before.characters_used + 19 + 60
    assert after.characters_left == after.characters_limit - after.characters_used
    assert after.resets_at is not None
    assert after.resets_at > datetime(2026, 1, 1, tzinfo=UTC)
    assert sandbox.effects()["elevenlabs.spoken"] >= 2


def test_what_can_not_be_spoken_says_why(elevenlabs: ElevenLabs, sandbox: RunningSandbox) -> None:
    voice = elevenlabs.voices()[0]
    spoken = sandbox.effects().get("elevenlabs.spoken", 0)
    for text in ("", "  ", "x" * (LONGEST_TEXT + 1)):
        with pytest.raises(Invalid, match=str(len(text))):
            elevenlabs.speak(voice.id, text)
    with pytest.raises(NotFound):
        elevenlabs.speak("nobody", "Hoi")
    with pytest.raises(NotFound):
        elevenlabs.speak(voice.id, "Hoi", model="of-tomorrow")
    used = elevenlabs.subscription().characters_used
    sandbox.set_voice_quota(used + 2)
    try:
        with pytest.raises(Permanent, match="2 are left") as caught:
            elevenlabs.speak(voice.id, "Hoi")
        assert type(caught.value) is Permanent, "the key is right, and waiting does not help this month"
        elevenlabs.speak(voice.id, "Ha")
    finally:
        sandbox.set_voice_quota(100_000)
    assert sandbox.effects().get("elevenlabs.spoken", 0) == spoken + 1


def test_a_voice_is_cloned_found_by_its_name_and_deleted(elevenlabs: ElevenLabs, sandbox: RunningSandbox) -> None:
    made = elevenlabs.clone("coach:studio-1", [Sample("a.mp3", b"sound"), Sample("b.mp3", b"more")], description="x")
    (found,) = [voice for voice in elevenlabs.voices() if voice.name == "coach:studio-1"]
    assert (found.id, found.category) == (made, "cloned")
    assert elevenlabs.speak(made, "Hoi").content
    elevenlabs.delete(made)
    with pytest.raises(NotFound):
        elevenlabs.delete(made)
    effects = sandbox.effects()
    assert (effects["elevenlabs.voice_cloned"], effects["elevenlabs.voice_deleted"]) == (1, 1)


def test_a_clone_that_is_refused_leaves_nothing(elevenlabs: ElevenLabs) -> None:
    before = elevenlabs.voices()
    with pytest.raises(Invalid, match="at least one recording"):
        elevenlabs.clone("nothing", [])
    with pytest.raises(Permanent):
        elevenlabs.clone("silence", [Sample("a.mp3", b"")])
    assert elevenlabs.voices() == before
    room = elevenlabs.subscription().voices_limit
    made = [elevenlabs.clone(f"voice {number}", [Sample("a.mp3", b"x")]) for number in range(room)]
    with pytest.raises(Permanent, match=str(room)):
        elevenlabs.clone("one more", [Sample("a.mp3", b"x")])
    for voice_id in made:
        elevenlabs.delete(voice_id)
    with pytest.raises(Permanent):
        elevenlabs.delete(before[0].id)


def test_a_wrong_key_is_refused(sandbox: RunningSandbox) -> None:
    stranger = ElevenLabs(settings_for(sandbox).model_copy(update={"elevenlabs_api_key": "somebody-elses"}))
    with pytest.raises(CredentialsRefused):
        stranger.voices()
    stranger.close()
