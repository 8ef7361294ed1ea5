"""What a provider's refusal asks of us. What belongs here: acting on the tables of codes (`providers/*/errors.py`).

Each reaction has an entry in `ACTS`, also where the error's class answers it by itself: again later, or never. A
message that was refused stays refused; what is tried again is another one, whose cause tells why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from pilar.backplane.facts import Cause, Job, emit, enqueue
from pilar.backplane.notices import IncidentRequested, incident
from pilar.clocks import Clocks
from pilar.errors import PilarError
from pilar.ids import new_id
from pilar.messaging import limit_store, pace, store, template_store, templates
from pilar.messaging.consent import withdraw
from pilar.messaging.events import RegisterAgain
from pilar.messaging.facts import WINDOW
from pilar.messaging.number_store import change_standing, standing_of
from pilar.messaging.outbox import NewMessage, queue_message
from pilar.messaging.rooms import People
from pilar.providers.email import errors as mail
from pilar.providers.reactions import Reaction
from pilar.providers.twilio import errors as twilio
from pilar.providers.whatsapp import errors as whatsapp
from pilar.workspaces import store as workspaces

_TABLES: Mapping[str, Mapping[str, Reaction]] = {
    "whatsapp": whatsapp.REACTIONS,
    "sms": twilio.REACTIONS,
    "email": mail.REACTIONS,
}

_INCIDENTS = {
    Reaction.FREEZE_MARKETING: "WhatsApp limits a number for its quality",
    Reaction.STOP_WORKSPACE: "WhatsApp has locked a studio's account",
    Reaction.RECONNECT: "A studio's WhatsApp account has to be connected again",
    Reaction.OUR_FAULT: "WhatsApp refuses what we send as malformed",
    Reaction.FIX_CONTENT: "A template's content was refused",
    Reaction.AWAIT_PAYMENT: "A studio's payment method at WhatsApp fails",
    Reaction.RETIRE_TEMPLATE: "WhatsApp has disabled a template",
    Reaction.BLOCK_COUNTRY: "WhatsApp lets a studio write to a country no more",
    Reaction.ACCOUNT_REFUSED: "Twilio refuses a studio's account",
}
_DEAD_LETTERS = (Reaction.OUR_FAULT, Reaction.FIX_CONTENT)

AS_TEMPLATE = ":as-template"
"""What the cause of a message has behind it when its template is sent after its text was refused."""
_AFTER = {
    Reaction.WAIT_A_DAY: ":held-off",
    Reaction.RESYNC_TEMPLATES: ":sibling",
    Reaction.AWAIT_TEMPLATE: ":template-paused",
    Reaction.RETIRE_TEMPLATE: ":template-disabled",
    Reaction.MEDIA_AGAIN: ":again",
    Reaction.AWAIT_PAYMENT: ":payment",
    Reaction.STOP_WORKSPACE: ":restricted",
    Reaction.RECONNECT: ":reconnected",
    Reaction.COUNT_UNREACHABLE: ":by-sms",
    Reaction.BLOCK_COUNTRY: ":by-sms",
    Reaction.NO_SMS: ":by-mail",
    Reaction.TRY_LATER: ":later",
    Reaction.DAILY_CAP: ":tomorrow",
}
"""The same for the other reasons to try again."""

HELD_OFF_AT_LEAST = timedelta(hours=24)
_HELD_OFF_AT_MOST = timedelta(days=7)
_HELD_OFF_TIMES = 3
_FROZEN_FOR = timedelta(hours=24)
_RESTRICTED_FOR = timedelta(hours=24)
_UNPAID_FOR = timedelta(hours=6)
_UNCONNECTED_FOR = timedelta(hours=1)
_SMS_LATER = timedelta(hours=4)
_PROBES = 3
"""How often a message is tried again after a restriction that nobody has told the end of."""


@dataclass(frozen=True)
class Refused:
    """A message that a provider refused, in the transaction that records it; message and lead are held."""

    connection: Connection
    clocks: Clocks
    message: Row[Any]
    lead: Row[Any]
    code: str
    reaction: Reaction
    story: Cause
    people: People

    @property
    def now(self) -> datetime:
        """Business time."""
        return self.clocks.business.now()

    def again(self, *, most: int = 1, not_before: datetime | None = None, as_template: bool = False) -> None:
        """Put it into the outbox once more, unless that was done so often already."""
        message = self.message
        suffix = AS_TEMPLATE if as_template else _AFTER[self.reaction]
        times = message.cause.count(suffix)
        if times >= most or (as_template and not message.template_name):
            return
        new = NewMessage(
            lead_id=message.lead_id,
            category=message.category,
            origin=message.origin,
            cause=f"{message.cause}{suffix}",
            text=None if as_template else message.text,
            template=message.template_name,
            parameters=tuple(message.template_parameters or ()),
            reply_to=message.reply_to,
            not_before=not_before,
        )
        queue_message(self.connection, self.clocks, message.workspace_id, new, self.story)


def reaction_to(channel: str, code: str) -> Reaction | None:
    """What a code that is told of a message asks of us; None for one that the channel's table doesn't know."""
    return _TABLES[channel].get(code)


def is_dead_letter(error: PilarError) -> bool:
    """Whether a message's refusal is to be seen among the dead letters: its content or our code needs a person."""
    return whatsapp.reaction_to(error.details.get("provider_code")) in _DEAD_LETTERS


def react(
    connection: Connection,
    clocks: Clocks,
    message: Row[Any],
    lead: Row[Any],
    code: str,
    people: People,
) -> None:
    """Act on the code that a message was refused with, in the transaction that records it; the lead's row is held."""
    reaction = reaction_to(message.channel, code)
    if reaction is None:
        return
    story = Cause(message.correlation_id or new_id())
    refused = Refused(connection, clocks, message, lead, code, reaction, story, people)
    ACTS[reaction](refused)
    if reaction in _INCIDENTS:
        request = IncidentRequested(
            dedupe_key=f"{message.channel}:{code}:{message.workspace_id}",
            title=_INCIDENTS[reaction],
            description=f"Code {code}: {reaction.value}.",
            severity="high",
            component=f"{message.channel}_integration",
        )
        asked = incident(request, key=f"{code}:{message.id}", workspace_id=message.workspace_id)
        emit(connection, clocks, [asked], refused.story)


def forget_strikes(connection: Connection, clocks: Clocks, message: Row[Any]) -> None:
    """A message was taken: the number and the pair are quick enough no more to be held back for earlier refusals."""
    subjects = _subjects(message)
    kept = limit_store.hold_buckets(connection, subjects, clocks.real.now())
    limit_store.keep_buckets(connection, {name: kept[name]._replace(strikes=0) for name in subjects})


def _subjects(message: Row[Any]) -> list[str]:
    return [
        limit_store.number_bucket(message.workspace_id),
        limit_store.pair_bucket(message.workspace_id, message.lead_id),
    ]


def _nothing_more(_: Refused) -> None:
    """The error's class says it all: the queue tries again, or the message has failed."""


def _slow_bucket(refused: Refused) -> None:
    """Codes 4 and 80007 are the app's and the account's, 130429 the number's; a studio's account has one number."""
    message = refused.message
    if refused.code == "4":
        subject, kind = limit_store.APP, pace.APP
    else:
        subject = limit_store.number_bucket(message.workspace_id)
        kind = pace.of_number(standing_of(refused.connection, message.workspace_id).throughput)
    _strike(refused, subject, kind, pace.wait_of_bucket)


def _requeue_pair(refused: Refused) -> None:
    subject = limit_store.pair_bucket(refused.message.workspace_id, refused.message.lead_id)
    _strike(refused, subject, pace.PAIR, pace.wait_of_pair)


def _strike(refused: Refused, subject: str, kind: pace.Pace, wait: Callable[[int], timedelta]) -> None:
    real_now = refused.clocks.real.now()
    kept = limit_store.hold_buckets(refused.connection, [subject], real_now)[subject]
    strikes = kept.strikes + 1
    due = kind.struck(kept.due_at, real_now, wait(strikes))
    limit_store.keep_buckets(refused.connection, {subject: limit_store.Bucket(due, strikes)})


def _plan_as_template(refused: Refused) -> None:
    """The window is closed, whatever our copy says: correct that, and send the message's template, if it has one."""
    connection, message = refused.connection, refused.message
    closed = refused.now - WINDOW
    thread = store.find_conversation(connection, message.workspace_id, message.lead_id)
    if thread is not None and thread.last_inbound_at is not None and thread.last_inbound_at > closed:
        store.change_conversation(connection, message.workspace_id, message.lead_id, {"last_inbound_at": closed})
    if message.kind == "text":
        # Another message, since this one has failed for good: its effect is settled.
        refused.again(as_template=True)


def _count_unreachable(refused: Refused) -> None:
    """After several in a row the lead counts as unreachable; another channel is tried where the studio has one."""
    connection, message = refused.connection, refused.message
    policies = workspaces.load_configuration(connection, message.workspace_id)[1].operator.policies
    kept = limit_store.reach_of(connection, message.workspace_id, message.lead_id)
    times = (kept.undelivered if kept else 0) + 1
    changes: dict[str, Any] = {"undelivered": times}
    if times >= policies.whatsapp.unreachable_after:
        changes["unreachable_since"] = (kept.unreachable_since if kept else None) or refused.now
    limit_store.change_reach(connection, message.workspace_id, message.lead_id, changes)
    if "unreachable_since" in changes and (policies.sms.fallback or policies.email.fallback):
        refused.again()


def _wait_a_day(refused: Refused) -> None:
    connection, message = refused.connection, refused.message
    kept = limit_store.reach_of(connection, message.workspace_id, message.lead_id)
    waits = kept.marketing_waits if kept else 0
    until = refused.now + min(HELD_OFF_AT_LEAST * (1 << min(waits, 5)), _HELD_OFF_AT_MOST)
    changes = {"marketing_waits": waits + 1, "marketing_waits_until": until}
    limit_store.change_reach(connection, message.workspace_id, message.lead_id, changes)
    if not (message.category == "marketing" and refused.lead.country == "US"):
        refused.again(most=_HELD_OFF_TIMES, not_before=until)


def _opted_out(refused: Refused) -> None:
    _withdraw(refused, "marketing")


def _opted_out_of_all(refused: Refused) -> None:
    _withdraw(refused, "all")


def _withdraw(refused: Refused, scope: Any) -> None:
    message = refused.message
    proof = f"{refused.code}:{message.id}"
    withdraw(
        refused.connection,
        refused.clocks,
        message.workspace_id,
        refused.lead.id,
        scope,
        "provider",
        proof,
        refused.story,
        refused.people,
    )


def _freeze_marketing(refused: Refused) -> None:
    until = refused.now + _FROZEN_FOR
    kept = standing_of(refused.connection, refused.message.workspace_id).marketing_frozen_until
    if kept is None or kept < until:
        changes = {"marketing_frozen_until": until}
        change_standing(refused.connection, refused.message.workspace_id, changes, refused.now)


def _restrict(refused: Refused, words: str, span: timedelta) -> None:
    """Keep what is sent back until the span is over; one message of each kind is then tried, to see whether it goes."""
    until = refused.now + span
    kept = standing_of(refused.connection, refused.message.workspace_id)
    if kept.restricted is None or (kept.restricted_until is not None and kept.restricted_until < until):
        changes = {"restricted": words, "restricted_until": until}
        change_standing(refused.connection, refused.message.workspace_id, changes, refused.now)
    refused.again(most=_PROBES, not_before=until)


def _await_payment(refused: Refused) -> None:
    _restrict(refused, "its payment method fails, and the studio has to see to it", _UNPAID_FOR)


def _stop_workspace(refused: Refused) -> None:
    _restrict(refused, f"it is locked or limited (code {refused.code})", _RESTRICTED_FOR)


def _reconnect(refused: Refused) -> None:
    _restrict(refused, "it has to be connected again by its owner", _UNCONNECTED_FOR)


def _of_template(state: str) -> Callable[[Refused], None]:
    """The template is not what we took it for: keep that, and let the verdict find an approved sibling, or wait."""

    def act(refused: Refused) -> None:
        message = refused.message
        if message.template_name and message.template_language:
            template_store.note_refused(
                refused.connection,
                message.workspace_id,
                message.template_name,
                message.template_language,
                state,
                f"WhatsApp answered {refused.code} to a message.",
            )
        if state == "missing":
            templates.ask_to_submit(
                refused.connection, refused.clocks, message.workspace_id, occasion=f"missing:{message.id}",
                story=refused.story,
            )  # fmt: skip
        refused.again()

    return act


def _media_again(refused: Refused) -> None:
    refused.again()


def _block_country(refused: Refused) -> None:
    if refused.lead.country is not None:
        limit_store.block_country(
            refused.connection, refused.message.workspace_id, refused.lead.country, refused.code, refused.now
        )
    policies = workspaces.load_configuration(refused.connection, refused.message.workspace_id)[1].operator.policies
    if policies.sms.fallback or policies.email.fallback:
        refused.again()


def _register_again(refused: Refused) -> None:
    message = refused.message
    job = Job(
        payload=RegisterAgain(message_id=message.id), key=f"register:{message.id}", workspace_id=message.workspace_id
    )
    enqueue(refused.connection, refused.clocks, [job], refused.story)


def _no_sms(refused: Refused) -> None:
    changes = {"sms_refused": refused.code}
    limit_store.change_reach(refused.connection, refused.message.workspace_id, refused.lead.id, changes)
    policies = workspaces.load_configuration(refused.connection, refused.message.workspace_id)[1].operator.policies
    if policies.email.fallback:
        refused.again()


def _no_mail(refused: Refused) -> None:
    changes = {"email_refused": refused.code}
    store.change_lead(refused.connection, refused.message.workspace_id, refused.lead.id, changes)


def _try_later(refused: Refused) -> None:
    refused.again(not_before=refused.now + _SMS_LATER)


def _tomorrow(refused: Refused) -> None:
    refused.again(not_before=refused.now + HELD_OFF_AT_LEAST)


ACTS: Mapping[Reaction, Callable[[Refused], None]] = {
    Reaction.SLOW_BUCKET: _slow_bucket,
    Reaction.REQUEUE_PAIR: _requeue_pair,
    Reaction.BACK_OFF: _nothing_more,
    Reaction.PLAN_AS_TEMPLATE: _plan_as_template,
    Reaction.COUNT_UNREACHABLE: _count_unreachable,
    Reaction.WAIT_A_DAY: _wait_a_day,
    Reaction.OPTED_OUT: _opted_out,
    Reaction.SKIP: _nothing_more,
    Reaction.FREEZE_MARKETING: _freeze_marketing,
    Reaction.OUR_FAULT: _nothing_more,
    Reaction.RESYNC_TEMPLATES: _of_template("missing"),
    Reaction.FIX_CONTENT: _nothing_more,
    Reaction.AWAIT_TEMPLATE: _of_template("paused"),
    Reaction.RETIRE_TEMPLATE: _of_template("disabled"),
    Reaction.MEDIA_AGAIN: _media_again,
    Reaction.AWAIT_PAYMENT: _await_payment,
    Reaction.STOP_WORKSPACE: _stop_workspace,
    Reaction.BLOCK_COUNTRY: _block_country,
    Reaction.RECONNECT: _reconnect,
    Reaction.REGISTER_AGAIN: _register_again,
    Reaction.NO_SMS: _no_sms,
    Reaction.NO_MAIL: _no_mail,
    Reaction.OPTED_OUT_OF_ALL: _opted_out_of_all,
    Reaction.TRY_LATER: _try_later,
    Reaction.DAILY_CAP: _tomorrow,
    Reaction.ACCOUNT_REFUSED: _nothing_more,
}
"""What is done, by reaction. An incident is asked for besides where one has a title."""
