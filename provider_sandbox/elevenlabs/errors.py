"""ElevenLabs' errors. What belongs here: their shape and the ones the sandbox gives."""

from __future__ import annotations

from typing import Any


class ElevenLabsError(Exception):
    """An error answer."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(str(detail))
        self.status = status
        self.body = {"detail": detail}


def refused(status: int, code: str, message: str) -> ElevenLabsError:
    """An error that has a name."""
    return ElevenLabsError(status, {"status": code, "message": message})


def missing(*place: str) -> ElevenLabsError:
    """A field that is not there, or not as it has to be."""
    return ElevenLabsError(422, [{"loc": list(place), "msg": f"{place[-1]} is required", "type": "value_error"}])
