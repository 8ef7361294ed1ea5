"""Voices and the month's characters. What belongs here: what there is and what is used up; HTTP is `api.py`'s."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from provider_sandbox.elevenlabs.errors import refused
from provider_sandbox.state import Body, Transaction

VOICE = "elevenlabs.voice"
SPENT = "elevenlabs.characters"
LIMIT = "elevenlabs.character_limit"
USUAL_LIMIT = 100_000
VOICES_LIMIT = 10
LONGEST_TEXT = 10_000
MODELS = ("eleven_multilingual_v2", "eleven_flash_v2_5", "eleven_turbo_v2_5")
PREMADE = (("Vera", "female", "en"), ("Milan", "male", "nl"), ("Jonas", "male", "de"))


def seed(tx: Transaction) -> None:
    """The voices that every account has."""
    for name, gender, language in PREMADE:
        identity = _identity(name)
        if tx.get(VOICE, identity) is None:
            _put(tx, identity, name, "premade", {"gender": gender, "language": language})


def listed(tx: Transaction) -> list[Body]:
    """Every voice, oldest first."""
    return tx.find(VOICE)


def existing(tx: Transaction, voice_id: str) -> Body:
    """A voice that must be there."""
    voice = tx.get(VOICE, voice_id)
    if voice is None:
        raise refused(404, "voice_not_found", f"A voice with the voice_id {voice_id} was not found.")
    return voice


def clone(tx: Transaction, name: str, description: str, samples: list[bytes]) -> str:
    """A new voice; return its id."""
    if len(tx.find(VOICE, key="cloned")) >= VOICES_LIMIT:
        raise refused(400, "voice_limit_reached", f"The account may have {VOICES_LIMIT} voices of its own.")
    if not all(samples):
        raise refused(400, "empty_file", "A recording is empty.")
    number = int(tx.setting("elevenlabs.cloned") or 0) + 1
    tx.remember("elevenlabs.cloned", str(number))
    identity = _identity(f"clone {number}")
    _put(tx, identity, name, "cloned", {}, description)
    tx.effect("elevenlabs.voice_cloned", name)
    return identity


def delete(tx: Transaction, voice_id: str) -> None:
    """Delete a voice of the account's own."""
    voice = existing(tx, voice_id)
    if voice["category"] == "premade":
        raise refused(400, "voice_can_not_be_deleted", "This voice is not the account's own.")
    tx.remove(VOICE, voice_id)
    tx.effect("elevenlabs.voice_deleted", voice_id)


def spend(tx: Transaction, voice_id: str, text: str, model: str) -> int:
    """Use up what a text takes; return how many characters that was."""
    existing(tx, voice_id)
    if model not in MODELS:
        raise refused(400, "model_not_found", f"There is no model {model}.")
    if len(text) > LONGEST_TEXT:
        raise refused(400, "max_character_limit_exceeded", f"A request may have {LONGEST_TEXT} characters.")
    spent = int(tx.setting(SPENT) or 0)
    if spent + len(text) > limit(tx):
        left = limit(tx) - spent
        raise refused(401, "quota_exceeded", f"{len(text)} characters are asked for and {left} are left.")
    tx.remember(SPENT, str(spent + len(text)))
    tx.effect("elevenlabs.spoken", voice_id)
    return len(text)


def limit(tx: Transaction) -> int:
    """The month's characters."""
    return int(tx.setting(LIMIT) or USUAL_LIMIT)


def subscription(tx: Transaction) -> dict[str, Any]:
    """How much of the month is left."""
    return {
        "tier": "creator",
        "status": "active",
        "character_count": int(tx.setting(SPENT) or 0),
        "character_limit": limit(tx),
        "can_extend_character_limit": False,
        "allowed_to_extend_character_limit": False,
        "next_character_count_reset_unix": int(_next_month(tx.business_now()).timestamp()),
        "voice_limit": VOICES_LIMIT,
        "voice_slots_used": len(tx.find(VOICE, key="cloned")),
        "can_use_instant_voice_cloning": True,
        "currency": "usd",
    }


def _next_month(now: datetime) -> datetime:
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (start + timedelta(days=32)).replace(day=1)


def _put(tx: Transaction, identity: str, name: str, category: str, labels: Body, description: str = "") -> None:
    body: Body = {
        "voice_id": identity,
        "name": name,
        "category": category,
        "labels": labels,
        "description": description or None,
        "samples": None,
        "preview_url": None,
        "available_for_tiers": [],
        "settings": None,
    }
    tx.put(VOICE, identity, body, key=category)


def _identity(name: str) -> str:
    return hashlib.sha256(f"voice {name}".encode()).hexdigest()[:20]
