"""What the Graph API's errors mean to us. What belongs here: the table of codes, as data, and how an error is read.

Each code has a reaction and an error class. The class decides for the queue above (again, or never); the reaction is
for the rooms that know leads, templates and numbers. `reaction_to(error.details["provider_code"])` leads from the one
to the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from pilar.errors import CredentialsRefused, Invalid, OutcomeUnknown, Permanent, PilarError, Transient
from pilar.providers import documents
from pilar.providers.calls import ErrorTable, Provider, Refusal, retry_after_of
from pilar.providers.reactions import Reaction

# 1, 2 and 131000 say that something went wrong, not that nothing was done.
_ROWS: tuple[tuple[tuple[int, ...], Reaction, type[PilarError]], ...] = (
    ((4, 80007, 130429), Reaction.SLOW_BUCKET, Transient),
    ((131056,), Reaction.REQUEUE_PAIR, Transient),
    ((1, 2, 131000), Reaction.BACK_OFF, OutcomeUnknown),
    ((131016, 131057), Reaction.BACK_OFF, Transient),
    ((131047,), Reaction.PLAN_AS_TEMPLATE, Permanent),
    ((131026,), Reaction.COUNT_UNREACHABLE, Permanent),
    ((131049,), Reaction.WAIT_A_DAY, Permanent),
    ((131050,), Reaction.OPTED_OUT, Permanent),
    ((130472,), Reaction.SKIP, Permanent),
    ((131048, 131064), Reaction.FREEZE_MARKETING, Permanent),
    ((100, 131008, 131009, 131051, 132000, 132008, 132012), Reaction.OUR_FAULT, Invalid),
    ((132001,), Reaction.RESYNC_TEMPLATES, Permanent),
    ((132005, 132007), Reaction.FIX_CONTENT, Permanent),
    ((132015,), Reaction.AWAIT_TEMPLATE, Permanent),
    ((132016,), Reaction.RETIRE_TEMPLATE, Permanent),
    ((131052, 131053), Reaction.MEDIA_AGAIN, Permanent),
    ((131042,), Reaction.AWAIT_PAYMENT, Permanent),
    ((368, 131031, 131037), Reaction.STOP_WORKSPACE, Permanent),
    ((130497,), Reaction.BLOCK_COUNTRY, Permanent),
    ((0, 3, 10, 190, *range(200, 300)), Reaction.RECONNECT, CredentialsRefused),
    ((133010,), Reaction.REGISTER_AGAIN, Permanent),
)

REACTIONS: Mapping[str, Reaction] = {str(code): reaction for codes, reaction, _ in _ROWS for code in codes}
TABLE: ErrorTable = {str(code): kind for codes, _, kind in _ROWS for code in codes}

META = Provider(
    "Meta", TABLE, unwell=frozenset(code for code, reaction in REACTIONS.items() if reaction is Reaction.BACK_OFF)
)


def reaction_to(code: object) -> Reaction | None:
    """What a code asks of us, None for one that the table doesn't know.

    Args:
        code: as a number (webhooks) or as text (`provider_code` in an error's details).
    """
    return REACTIONS.get(str(code))


def refusal_of(answer: httpx.Response) -> Refusal:
    """Read an answer with an error status."""
    error = documents.child(documents.lenient(answer.content), "error")
    code = documents.whole_number(error, "code")
    message = documents.optional_text(documents.child(error, "error_data"), "details")
    message = message or documents.optional_text(error, "message") or ""
    return Refusal(answer.status_code, "" if code is None else str(code), message, retry_after_of(answer.headers))
