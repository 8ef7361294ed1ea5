"""A number or a WhatsApp account that a studio brings along: it is said, proven by a code, and never given back.

What belongs here: taking what the owner says and types, and what may be said when. What does not: having Meta add and
check the number (`own_number_steps.py`) and pages.

While a studio brings something, no number is bought for it; the two exclude each other by the lock of its job. A code
goes to a telephone that is not ours, so the owner types it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import phonenumbers
from sqlalchemy import Connection, Row

from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.errors import Conflict, Invalid, TooManyRequests
from pilar.ids import new_id
from pilar.provisioning import channel_store, store, traces
from pilar.provisioning.retry import retry
from pilar.provisioning.runner import wake

Brings = Literal["number", "account"]
Method = Literal["sms", "voice"]

MOST_CODES, WITHIN = 10, timedelta(hours=72)
"""How many codes Meta sends to a number within so many hours; we take as many typed ones."""
PURCHASE, REGISTRATION = "phone_number_purchase", "whatsapp_registration"
CODE_DIGITS = 6


@dataclass(frozen=True)
class OwnChannel:
    """What a studio brings, as its owner sees it.

    Attributes:
        brings: number, account, or None: a number is bought.
        phone_number: E.164; None: not known yet.
        may_change: whether it may still be said otherwise.
        wants_code: the number is to be proven now; a code can be asked for and typed.
        is_sent: WhatsApp has sent a code.
        wants_number: which number it is, is to be said now.
        codes_left: how many codes may still be asked for within the 72 hours.
    """

    brings: Brings | None
    phone_number: str | None
    may_change: bool
    wants_code: bool
    is_sent: bool
    wants_number: bool
    codes_left: int


def in_e164(text: str) -> str:
    """A telephone number that somebody has typed, in E.164; raise `Invalid` where it is none."""
    try:
        number = phonenumbers.parse(text.strip())
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise Invalid("This is no telephone number: write it with + and its country's code, as in +31 20 123 4567.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def as_signed_up(connection: Connection, clocks: Clocks, workspace_id: UUID, found: dict[str, Any]) -> None:
    """Keep what the checkout said that the studio brings; what was said since stays."""
    if found.get("brings") in ("number", "account"):
        values = {"brings": found["brings"], "phone_number": found.get("own_number")}
        values |= {"told_by": "checkout", "told_at": clocks.business.now()}
        channel_store.keep_own(connection, workspace_id, values, over=False)


def bring(
    connection: Connection, clocks: Clocks, workspace_id: UUID, brings: Brings, phone_number: str | None, actor: str
) -> None:
    """A studio brings a number, or an account with one: none is bought.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio.
        brings: which of the two.
        phone_number: as somebody typed it; with an account it may be left open while the account has just one.
        actor: who says so, as in the audit log.

    Raises:
        NotFound: there is no such studio.
        Invalid: it is no number, or there is none.
        Conflict: a number is bought already, the studio's is on WhatsApp already, or it is another studio's.
    """
    job = store.lock_job(connection, workspace_id)
    _check_open(connection, job)
    number = in_e164(phone_number) if phone_number and phone_number.strip() else None
    if brings == "number" and number is None:
        raise Invalid("Write the number that the studio brings, with + and its country's code.")
    if _is_bought(connection, workspace_id):
        raise Conflict("A number has been bought for this studio already, or is being bought: it can't bring its own.")
    if number is not None and channel_store.used_by_another(connection, workspace_id, number):
        raise Conflict(f"{number} is the number of another studio here.")
    values = {"brings": brings, "phone_number": number, "told_by": actor, "told_at": clocks.business.now()}
    channel_store.keep_own(connection, workspace_id, values, over=True)
    store.use_codes(connection, workspace_id, clocks.real.now())  # what was typed for another number proves nothing
    _note(connection, clocks, job, "provisioning.brings_own", actor, brings=brings)
    retry(connection, clocks, workspace_id, actor, from_step=PURCHASE)


def bring_nothing(connection: Connection, clocks: Clocks, workspace_id: UUID, actor: str) -> None:
    """A studio brings nothing after all: a number is bought for it. Needs the fleet's scope.

    Raises:
        NotFound: there is no such studio.
        Conflict: its number is on WhatsApp already.
    """
    job = store.lock_job(connection, workspace_id)
    _check_open(connection, job)
    if channel_store.own_of(connection, workspace_id) is None:
        return
    channel_store.forget_own(connection, workspace_id)
    _note(connection, clocks, job, "provisioning.brings_nothing", actor)
    retry(connection, clocks, workspace_id, actor, from_step=PURCHASE)


def ask_for_code(connection: Connection, clocks: Clocks, workspace_id: UUID, method: Method, actor: str) -> int:
    """The owner has the telephone at hand: have WhatsApp send its code. Return how many may still be asked for.

    Asked again before it is sent, it is the same one. Needs the fleet's scope.

    Raises:
        NotFound: there is no such studio.
        Conflict: no code is wanted now.
        TooManyRequests: ten were asked for within 72 hours.
    """
    job = store.lock_job(connection, workspace_id)
    view = view_of(connection, clocks, job, store.steps_of(connection, job.id))
    if not view.wants_code or view.phone_number is None:
        raise Conflict("No code is wanted now: nothing has to be proven.")
    asked = channel_store.code_requests(connection, workspace_id, view.phone_number)
    if any(one.state == "asked" for one in asked):
        return view.codes_left
    if view.codes_left == 0:
        oldest = min(one.asked_at for one in _recent(asked, clocks.business.now()))
        again = oldest + WITHIN
        raise TooManyRequests(
            f"WhatsApp sends {MOST_CODES} codes to a number within {WITHIN // timedelta(hours=1)} hours, and all were "
            f"asked for: the next can be sent on {again:%d %B at %H:%M} UTC.",
            retry_after=again - clocks.business.now(),
        )
    values = {"id": new_id(), "phone_number": view.phone_number, "method": method, "state": "asked"}
    channel_store.add_code_request(connection, workspace_id, {**values, "asked_at": clocks.business.now()})
    _note(connection, clocks, job, "provisioning.code_asked_for", actor, method=method)
    wake(connection, clocks, job, cause=f"code:{values['id']}", correlation_id=job.correlation_id)
    return view.codes_left - 1


def type_code(
    connection: Connection, clocks: Clocks, box: SecretBox, workspace_id: UUID, code: str, actor: str
) -> None:
    """The owner has typed the code: it is told to Meta. Needs the fleet's scope.

    Raises:
        NotFound: there is no such studio.
        Invalid: it is not six digits.
        Conflict: no code is wanted now, or none was sent.
        TooManyRequests: ten were typed within 72 hours.
    """
    digits = "".join(one for one in code if one.isdigit() and one.isascii())
    if len(digits) != CODE_DIGITS or len(code) > 4 * CODE_DIGITS:
        raise Invalid("WhatsApp's code has six digits, as in 123-456.")
    job = store.lock_job(connection, workspace_id)
    view = view_of(connection, clocks, job, store.steps_of(connection, job.id))
    if not view.wants_code or not view.is_sent:
        raise Conflict("No code was sent yet: ask for one first.")
    if channel_store.codes_typed(connection, workspace_id, clocks.real.now() - WITHIN) >= MOST_CODES:
        raise TooManyRequests(
            f"{MOST_CODES} codes were typed within {WITHIN // timedelta(hours=1)} hours: wait a day or two, so that "
            "nobody can guess the code."
        )
    identity = f"{channel_store.TYPED}{new_id()}"
    store.save_code(connection, workspace_id, identity, box.seal(digits), clocks.real.now())
    _note(connection, clocks, job, "provisioning.code_typed", actor)
    wake(connection, clocks, job, cause=identity, correlation_id=job.correlation_id)


def view_of(connection: Connection, clocks: Clocks, job: Row[Any], steps: Sequence[Row[Any]]) -> OwnChannel:
    """What a studio brings, and what its owner can do about it now. Needs the fleet's scope.

    Args:
        connection: the transaction.
        clocks: both clocks.
        job: the job's row.
        steps: its steps' rows.
    """
    own = channel_store.own_of(connection, job.workspace_id)
    status = {step.name: step for step in steps}
    registering = status.get(REGISTRATION)
    is_over = job.state in (*store.TAKEN_BACK, "completed") or (registering and registering.status == "completed")
    may_change = not is_over and not _is_bought(connection, job.workspace_id)
    if own is None:
        return OwnChannel(None, None, bool(may_change), False, False, False, MOST_CODES)
    # A step that looks again just now still waits.
    is_wanted = bool(registering and registering.waits_on == "studio" and not is_over)
    asked = channel_store.code_requests(connection, job.workspace_id, own.phone_number) if own.phone_number else []
    return OwnChannel(
        brings=own.brings,
        phone_number=own.phone_number,
        may_change=bool(may_change),
        wants_code=is_wanted and own.phone_number is not None,
        is_sent=bool(asked) and asked[-1].state == "sent",
        wants_number=is_wanted and own.phone_number is None,
        codes_left=max(0, MOST_CODES - len(_recent(asked, clocks.business.now()))),
    )


def _recent(asked: Sequence[Row[Any]], now: datetime) -> list[Row[Any]]:
    return [one for one in asked if one.asked_at > now - WITHIN]


def _is_bought(connection: Connection, workspace_id: UUID) -> bool:
    standing = [one.effect_key for one in channel_store.purchases_of(connection, workspace_id) if one.lost_at is None]
    return channel_store.has_purchase(connection, workspace_id, traces.NUMBER, standing)


def _check_open(connection: Connection, job: Row[Any]) -> None:
    steps = {step.name: step.status for step in store.steps_of(connection, job.id)}
    if job.state in store.TAKEN_BACK:
        raise Conflict("This signup was taken back: it does not go on. A new payment begins a new studio.")
    if job.state == "completed" or steps.get(REGISTRATION) == "completed":
        raise Conflict("The studio's number is on WhatsApp already: it can't be changed here any more.")


def _note(connection: Connection, clocks: Clocks, job: Row[Any], action: str, actor: str, **details: str) -> None:
    audit.record(
        connection, actor=actor, action=action, subject=f"job:{job.id}", now=clocks.real.now(),
        workspace_id=job.workspace_id, correlation_id=job.correlation_id, details=details,
    )  # fmt: skip
