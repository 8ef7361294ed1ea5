"""The control API's part for models. What belongs here: putting answers ready, and reading what was asked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from provider_sandbox.models import answering, scripts
from provider_sandbox.models.asked import Provider
from provider_sandbox.models.scripts import Scripts
from provider_sandbox.state import State


def models_router(state: State) -> APIRouter:
    """The paths below `/control/models`."""
    router = APIRouter()

    @router.put("/control/models/answers")
    async def put_answers(wanted: Scripts) -> dict[str, int]:
        """Put answers ready, in place of all that were; the first that fits a question is taken."""
        with state.transaction() as tx:
            scripts.put(tx, wanted)
        return {"ready": len(wanted.answers)}

    @router.get("/control/models/answers")
    async def ready_answers() -> list[dict[str, Any]]:
        """The answers that are still ready."""
        with state.transaction() as tx:
            return tx.find(scripts.KIND)

    @router.delete("/control/models/answers")
    async def clear_answers() -> dict[str, int]:
        """Let every model answer by the rules again."""
        with state.transaction() as tx:
            scripts.clear(tx)
        return {"ready": 0}

    @router.get("/control/models/questions")
    async def asked(provider: Provider | None = None) -> list[dict[str, Any]]:
        """What was asked, with what came of it, oldest first."""
        with state.transaction() as tx:
            return answering.questions(tx, provider)

    @router.get("/control/models/usage")
    async def used() -> list[dict[str, Any]]:
        """Tokens and cost by model."""
        with state.transaction() as tx:
            return answering.usage(tx)

    return router
