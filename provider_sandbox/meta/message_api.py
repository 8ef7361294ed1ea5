"""Meta's Graph API for messages and media. What belongs here: their paths and answers; no rules."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import UploadFile

from provider_sandbox.meta import accounts, answers, errors, media, messages
from provider_sandbox.meta.messages import Messages
from provider_sandbox.meta.requests import document_of, token_of
from provider_sandbox.state import State

DONE = {"success": True}


def add_messages(app: FastAPI, state: State, accepting: Messages) -> None:
    """Sending, and saying that something was read."""

    @app.post("/{phone_id}/messages")
    async def send_message(request: Request, phone_id: str) -> Response:
        document = document_of(await request.body())
        with state.transaction() as tx:
            phone = accounts.phone(tx, token_of(request, request.query_params), phone_id, request.method)
            if messages.marks_read(document):
                messages.mark_read(tx, phone, document)
                return JSONResponse(DONE)
            played = answers.take(tx, phone, document.get("to"))
            if played is None or not played.on_call:
                return JSONResponse(accepting.send(tx, phone, document, played))
        # Outside the transaction: the answer has been used up, and raising in there would give it back.
        raise played.as_refusal()


def add_media(app: FastAPI, state: State) -> None:
    """Uploading and downloading; what is known of a file is fetched and removed by its id, as every node is."""

    @app.post("/{phone_id}/media")
    async def upload(request: Request, phone_id: str) -> Response:
        async with request.form() as form:
            file, mime_type = form.get("file"), form.get("type")
            if form.get("messaging_product") != "whatsapp":
                raise errors.invalid("The parameter messaging_product is required.")
            if not isinstance(file, UploadFile):
                raise errors.invalid("The parameter file is required.")
            content = await file.read()
            given = mime_type if isinstance(mime_type, str) and mime_type else file.content_type or ""
        with state.transaction() as tx:
            phone = accounts.phone(tx, token_of(request, request.query_params), phone_id, request.method)
            return JSONResponse({"id": media.upload(tx, phone, given, content)["id"]})

    @app.get("/whatsapp_business/attachments")
    async def download(request: Request, mid: str = "", ext: str = "", hash: str = "") -> Response:  # noqa: A002 - Meta's name
        with state.transaction() as tx:
            mine = accounts.reached_by(tx, token_of(request, {}))
            found = tx.get(media.KIND, mid)
            content = media.opened(tx, found, ext, hash)
        if found is None or content is None or found["waba"] != mine:
            return JSONResponse({"error": "The address is not, or no longer, good."}, 404)
        return Response(content, media_type=found["mime_type"])
