"""ElevenLabs' HTTP API. What belongs here: paths, bodies and the control API's part; the rest is the neighbours'."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from provider_sandbox.elevenlabs import voices
from provider_sandbox.elevenlabs.errors import ElevenLabsError, missing, refused
from provider_sandbox.elevenlabs.sound import silence
from provider_sandbox.state import State, Transaction

SPOKEN_AS = "mp3_44100_128"


def elevenlabs_app(api_key: str, state: State) -> FastAPI:
    """The application to mount."""
    app = FastAPI(openapi_url=None)
    app.add_exception_handler(ElevenLabsError, _as_error)

    @contextmanager
    def account(request: Request) -> Iterator[Transaction]:
        given = request.headers.get("xi-api-key", "")
        if not api_key or not secrets.compare_digest(given.encode(), api_key.encode()):
            raise refused(401, "invalid_api_key", "Invalid API key")
        with state.transaction() as tx:
            yield tx

    @app.get("/v1/voices")
    async def list_voices(request: Request) -> dict[str, object]:
        with account(request) as tx:
            return {"voices": voices.listed(tx)}

    @app.get("/v1/voices/{voice_id}")
    async def one_voice(request: Request, voice_id: str) -> dict[str, object]:
        with account(request) as tx:
            return voices.existing(tx, voice_id)

    @app.post("/v1/voices/add")
    async def add_voice(request: Request) -> dict[str, object]:
        async with request.form() as form:
            files = [one for one in form.getlist("files") if not isinstance(one, str)]
            samples = [await one.read() for one in files]
            name, description = form.get("name"), form.get("description")
        with account(request) as tx:
            if not isinstance(name, str) or not name:
                raise missing("body", "name")
            if not samples:
                raise missing("body", "files")
            made = voices.clone(tx, name, description if isinstance(description, str) else "", samples)
        return {"voice_id": made, "requires_verification": False}

    @app.delete("/v1/voices/{voice_id}")
    async def delete_voice(request: Request, voice_id: str) -> dict[str, str]:
        with account(request) as tx:
            voices.delete(tx, voice_id)
        return {"status": "ok"}

    @app.post("/v1/text-to-speech/{voice_id}")
    async def speak(request: Request, voice_id: str, output_format: str = SPOKEN_AS) -> Response:
        body = await _document(request)
        text, model = body.get("text"), body.get("model_id", voices.MODELS[0])
        with account(request) as tx:
            if not isinstance(text, str) or not text:
                raise missing("body", "text")
            if output_format != SPOKEN_AS:
                raise refused(400, "unsupported_output_format", f"The sandbox speaks {SPOKEN_AS} only.")
            spent = voices.spend(tx, voice_id, text, str(model))
        headers = {"character-cost": str(spent), "request-id": secrets.token_hex(10)}
        return Response(silence(text), media_type="audio/mpeg", headers=headers)

    @app.get("/v1/user/subscription")
    async def subscription(request: Request) -> dict[str, object]:
        with account(request) as tx:
            return voices.subscription(tx)

    return app


class Quota(BaseModel):
    """How many characters the account may have spoken in a month."""

    model_config = ConfigDict(extra="forbid")

    characters: int = Field(ge=0)


def elevenlabs_router(state: State) -> APIRouter:
    """The control API's part."""
    router = APIRouter()

    @router.put("/control/elevenlabs/quota")
    async def set_quota(quota: Quota) -> dict[str, object]:
        """Let the account have more characters or fewer."""
        with state.transaction() as tx:
            tx.remember(voices.LIMIT, str(quota.characters))
            return voices.subscription(tx)

    return router


async def _document(request: Request) -> dict[str, object]:
    try:
        found = await request.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise missing("body")
    return found


async def _as_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, ElevenLabsError):
        raise error
    return JSONResponse(error.body, error.status)
