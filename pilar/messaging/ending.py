"""Ending the attempts of messages that the provider took. What belongs here: many at once, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import budgets
from pilar.backplane.effects import EffectLedger
from pilar.clocks import Clocks
from pilar.messaging import cost_store, facts_store, states, together_store
from pilar.messaging.attempts import cost_among
from pilar.messaging.beginning import Begun
from pilar.messaging.sending import EFFECT
from pilar.messaging.together_store import Taken


def end(
    connection: Connection, clocks: Clocks, ledger: EffectLedger, begun: Sequence[Begun], ids: Mapping[UUID, str]
) -> set[UUID]:
    """Record that the provider took messages; return those that could be, their leads being held by nobody.

    Args:
        connection: a transaction of its own.
        clocks: both clocks.
        ledger: of effects.
        begun: the attempts.
        ids: the provider's, by ours.
    """
    if not begun:
        return set()
    held = facts_store.lock_free(connection, [(one.row.workspace_id, one.row.id) for one in begun])
    rates = cost_store.rates(connection)
    taken = []
    for message in held:
        price = cost_among(rates, message, message.lead_country)
        taken.append(
            Taken(
                message.workspace_id,
                message.id,
                states.fold(message.state, states.ACCEPTED),
                ids[message.id],
                price.get("cost_micro"),
                price.get("cost_currency"),
            )
        )
    together_store.keep_taken(connection, taken, clocks.real.now())
    done = {message.id for message in held}
    ledger.confirm_new(connection, EFFECT, {str(one): ids[one] for one in done})
    ended = [one.attempt.reservation for one in begun if one.row.id in done]
    budgets.close_many(connection, [(one, 1) for one in ended if one is not None])
    return done
