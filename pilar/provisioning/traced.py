"""Effects without an answer of interest, which can be told from their trace at the provider.

What belongs here: having one once. What does not: which there are and what their traces look like (`traces.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from pilar.backplane.effects import Effect, EffectLedger


def have_once(
    ledger: EffectLedger,
    kind: str,
    key: str,
    call: Callable[[], None],
    is_done: Callable[[], bool],
    *,
    workspace_id: UUID,
    correlation_id: UUID,
    is_budgeted: bool = True,
) -> None:
    """Have an effect, or find that it is there.

    Args:
        ledger: where it is kept.
        kind: one of `traces`.
        key: what it is done to.
        call: does it.
        is_done: looks at the provider.
        workspace_id: whose.
        correlation_id: of the story.
        is_budgeted: whether it uses an API call of the studio's budget.

    Raises:
        Transient: it can't be done now, or somebody else is at it.
        Permanent: the provider refuses.
    """

    def run() -> Mapping[str, Any]:
        call()
        return {}

    ledger.perform(
        Effect(
            kind=kind,
            key=key,
            call=run,
            find=lambda: {} if is_done() else None,
            workspace_id=workspace_id,
            is_budgeted=is_budgeted,
            correlation_id=correlation_id,
        )
    )
