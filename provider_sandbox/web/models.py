"""Models as a page. What belongs here: what was asked and answered, the bill, and answers to be put ready."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from provider_sandbox.models import answering, scripts
from provider_sandbox.state import State
from provider_sandbox.web.acting import Control, Refused, own_form
from provider_sandbox.web.frame import Notice, back_to, page
from provider_sandbox.web.newest import newest

NEWEST = 50
"""So many questions are listed."""


def models_pages(state: State, control: Control) -> APIRouter:
    """`/models`, and its form."""
    router = APIRouter()

    @router.get("/models")
    async def asked(request: Request) -> Response:
        """The newest questions, the bill, and the answers that are ready."""
        with state.transaction() as tx:
            questions, total = newest(tx, answering.KIND, NEWEST)
            values: dict[str, Any] = {"usage": answering.usage(tx), "ready": tx.find(scripts.KIND)}
        return page(request, "models", questions=questions, total=total, **values)

    @router.post("/models/answers")
    async def put_ready(request: Request) -> Response:
        """One more answer is put ready, behind those that are."""
        fields = await own_form(request)
        kind, words = fields.pop("kind", "reply"), fields.pop("words", "")
        with state.transaction() as tx:
            ready, seed = tx.find(scripts.KIND), scripts.seed(tx)
        added: dict[str, Any] = {**fields, kind: words}
        try:
            await control.call("PUT", "models/answers", {"seed": seed, "answers": [*ready, added]})
        except Refused as problem:
            return back_to("/models", Notice(str(problem), is_problem=True))
        return back_to("/models", Notice("The answer is ready for the next question that it fits."))

    return router
