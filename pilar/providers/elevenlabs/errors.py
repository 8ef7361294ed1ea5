"""What ElevenLabs' errors mean to us. What belongs here: the table, and how an error is read.

An error is named by `detail.status`, in newer answers by `detail.code`. What has no row is judged by its status, in the
shared policy (`providers/calls.py`).
"""

from __future__ import annotations

import httpx

from pilar.errors import CredentialsRefused, Invalid, NotFound, Permanent, Transient
from pilar.providers import documents
from pilar.providers.calls import ErrorTable, Provider, Refusal, retry_after_of

TABLE: ErrorTable = {
    "invalid_api_key": CredentialsRefused,
    "needs_authorization": CredentialsRefused,
    "missing_permissions": CredentialsRefused,
    # A 401 as well, and the key is right: the month's characters are used up.
    "quota_exceeded": Permanent,
    "voice_not_found": NotFound,
    "voice_does_not_exist": NotFound,
    "model_not_found": NotFound,
    "voice_limit_reached": Permanent,
    "can_not_use_instant_voice_cloning": Permanent,
    "max_character_limit_exceeded": Invalid,
    "too_many_concurrent_requests": Transient,
    "concurrent_limit_exceeded": Transient,
    "system_busy": Transient,
}

ELEVENLABS = Provider("ElevenLabs", TABLE, unwell=frozenset({"system_busy"}))


def refusal_of(answer: httpx.Response) -> Refusal:
    """Read an answer with an error status."""
    body = documents.lenient(answer.content)
    detail = documents.child(body, "detail")
    code = documents.optional_text(detail, "status") or documents.optional_text(detail, "code") or ""
    message = documents.optional_text(detail, "message") or _faults(body)
    return Refusal(answer.status_code, code, message, retry_after_of(answer.headers))


def _faults(body: documents.Document) -> str:
    """What is wrong with which field: a 422 lists that."""
    listed = body.get("detail")
    faults = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return "; ".join(str(one.get("msg", "")) for one in faults)
