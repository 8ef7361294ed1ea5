"""What a lead may have meant as a refusal, while nobody has told. What belongs here: how it ends, whoever ends it.

What does not: opening it and acting on what was found (`refusals.py`). Consent ends such questions too, so this stands
below it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane.facts import Cause
from pilar.clocks import Clocks
from pilar.messaging import refusal_store, states, store
from pilar.messaging.outbox import ask_to_send

Refused = Literal["all", "marketing", "none"]
"""What a message refuses."""

ASKED, TO_PERSON, SETTLED = "model", "person", "settled"
"""A model is to tell; somebody of the staff is; it is told."""

UNANSWERED_AFTER = timedelta(days=7)
"""After so long without an answer what may refuse counts as refusing marketing.

The TCPA leaves ten business days to honour a revocation (47 CFR 64.1200(a)(10)), and a question without an end would
keep every planned message for ever.
"""


def end_others(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, proof: str, found: Refused, source: str
) -> None:
    """End what is unclear of a lead, since they said clearly what they want; the lead is held.

    Args:
        connection: a transaction.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: whose.
        proof: what showed it. Where that is one of the unclear messages, that message stays unclear: a rule that took
            half of it for agreement has not read the other half.
        found: what they want.
        source: of the consent, which is who told.
    """
    kind, _, name = proof.partition(":")
    itself = UUID(name) if kind == "message" and found == "none" else None
    told = {"state": SETTLED, "found": found, "told_by": source, "settled_at": clocks.business.now()}
    if refusal_store.settle_others(connection, workspace_id, lead_id, itself, told):
        release(connection, clocks, workspace_id, lead_id, proof)


def release(connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, occasion: str) -> int:
    """Ask again for what was kept back, once nothing is unclear any more; return how many messages that were.

    The verdict decides anew: what is refused meanwhile does not go.
    """
    if refusal_store.is_open(connection, workspace_id, lead_id):
        return 0
    held = refusal_store.held_for_it(connection, workspace_id, lead_id)
    for message_id in held:
        store.change_message(connection, workspace_id, message_id, {"state": states.QUEUED})
        ask_to_send(connection, clocks, workspace_id, message_id, Cause.new(), occasion=f"told:{occasion}")
    return len(held)
