"""What a verdict rests on, for any number of messages. What belongs here: gathering; the rule is `verdict.py`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.budgets import window_start
from pilar.clocks import Clocks
from pilar.messaging import facts_store, limit_store, pace
from pilar.messaging.decisions import EmailFacts, Facts, SmsFacts
from pilar.messaging.facts_store import Since
from pilar.messaging.number_store import NumberStanding
from pilar.messaging.outbox import OPT_OUT_NOTICE, TEST
from pilar.messaging.phrases import phrase
from pilar.messaging.purposes import PAUSED, best_of
from pilar.messaging.zones import plausible_zones
from pilar.workspaces.configuration import StudioConfiguration
from pilar.workspaces.store import as_configuration

WINDOW = timedelta(hours=24)
"""How long free text is allowed after a lead's last message."""

SOON = timedelta(minutes=15)
"""When to look again at a template whose pause lasts longer than it should."""
WHATSAPP = "whatsapp"
SMS = "sms"
EMAIL = "email"

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7, hours=3)
"""What may count for a week: no clock is put back by more than the hours on top (`verdict_holds.py` has the rule)."""
_LATELY = timedelta(minutes=10)
"""An earlier message to the same lead is waited for if it is no older: nothing waits for ever behind a stuck one."""
BLOCKED_FOR = timedelta(days=30)
"""A country stays blocked for so long; then a message is tried, since WhatsApp does not tell when it is lifted."""
_SMS_LONGEST = 1_600
_VARIABLE = re.compile(r"\{\{(\d+)\}\}")


@dataclass(frozen=True)
class _Template:
    """A template as it comes with the facts."""

    name: str
    language: str
    state: str
    body: str
    paused_until: str | None


@dataclass(frozen=True)
class Found:
    """What was found out about a message.

    Attributes:
        facts: what the verdict rests on.
        to: the lead's number in E.164, or their WhatsApp id.
        number_id: WhatsApp's id of the number to send from; empty where there is none.
        template_name, template_language: of the template's best sibling; empty where there is none.
        sms_text: what an SMS would say; empty where there are no words.
        sms_number: the number that SMS come from, in E.164; empty where there is none.
        email: the lead's address; empty where none is known.
        email_text: what an e-mail would say; empty where there are no words.
        is_behind: an earlier message to the same lead is on its way.
        throughput: messages a second that the number may send.
    """

    facts: Facts
    to: str
    number_id: str
    template_name: str
    template_language: str
    sms_text: str
    sms_number: str
    email: str
    email_text: str
    is_behind: bool
    throughput: int


def window_closes_at(conversation: Row[Any] | None) -> datetime | None:
    """Until when free text is allowed in a thread; None where the lead has never written."""
    if conversation is None or conversation.last_inbound_at is None:
        return None
    closes: datetime = conversation.last_inbound_at + WINDOW
    return closes


def opted_out_scope(consents: dict[str, bool]) -> Literal["marketing", "all"] | None:
    """The widest scope that was withdrawn."""
    if consents.get("all") is False:
        return "all"
    return "marketing" if consents.get("marketing") is False else None


def gather(connection: Connection, clocks: Clocks, message: Row[Any]) -> Found:
    """The facts about one message; see `gather_many`."""
    return gather_many(connection, clocks, [message])[message.id]


def gather_many(connection: Connection, clocks: Clocks, messages: Collection[Row[Any]]) -> dict[UUID, Found]:
    """The facts about messages as they are in this transaction, by the message's id.

    Needs the fleet's scope and the leads' locks. The studios are held, so that one that is suspended at this moment
    sends nothing afterwards. What rates and the portfolio allow is not among them: see `with_limits`.

    Args:
        connection: that transaction.
        clocks: both clocks.
        messages: their rows, held.
    """
    now = clocks.business.now()
    since = Since(day=window_start("day", now), week=now - _WEEK, lately=now - _LATELY, blocked=now - BLOCKED_FOR)
    studios = facts_store.studios(connection, sorted({one.workspace_id for one in messages}), since)
    rows = facts_store.messages(connection, [(one.workspace_id, one.id) for one in messages], since)
    return {one.id: _found(one, rows[one.id], studios[one.workspace_id], now) for one in messages}


def _found(message: Row[Any], row: Row[Any], studio: Row[Any], now: datetime) -> Found:
    """The facts of a message, of what was gathered about it and about its studio."""
    document = as_configuration(studio.configuration)
    consents = row.consents or {}
    controls = studio.controls or []
    policy = document.operator.policies.whatsapp
    standing = NumberStanding()
    template = _template(message, row, studio)
    words = _words(message, template)
    policies = document.operator.policies
    facts = Facts(
        now=now,
        category=message.category,
        asked_for=message.reply_to is not None or message.origin == TEST,
        confirms_opt_out=message.origin == OPT_OUT_NOTICE,
        by_person=message.origin.startswith(("staff:", "notice:")) or message.origin == TEST,
        studio_open=studio.studio_state == "active"
        or (message.origin == TEST and studio.studio_state == "provisioning"),
        studio_state=studio.studio_state,
        whatsapp_on=policy.enabled and document.feature("whatsapp"),
        number_connected=studio.number_state == "connected" and studio.phone_number_id is not None,
        paused=_paused(controls, WHATSAPP),
        dry_run=_is_dry(controls, WHATSAPP),
        opted_out=opted_out_scope(consents),
        opted_in=consents.get("marketing") is True,
        refusal_unclear_since=row.unclear_since,
        with_person=row.mode == "person",
        window_closes_at=window_closes_at(row),
        has_text=bool(message.text),
        template_state=template.state if template else None,
        template_resumes_at=_resumes_at(template, now),
        country=row.country,
        zones=plausible_zones(row.time_zone, row.phone, studio.studio_zone),
        sent_today=studio.sent_today,
        daily_limit=policy.daily_limit,
        people_limit=studio.messaging_limit if studio.has_standing else standing.messaging_limit,
        country_blocked=row.country_blocked,
        marketing_sent=tuple(row.marketing_sent or ()),
        marketing_a_day=policy.marketing_per_day,
        marketing_a_week=policy.marketing_per_week,
        marketing_frozen_until=studio.marketing_frozen_until,
        restricted=studio.restricted,
        restricted_until=studio.restricted_until,
        unreachable=row.unreachable_since is not None,
        marketing_waits_until=row.marketing_waits_until,
        waits_for_template=True,
        sms=_sms(row, studio, document, has_text=bool(words)) if policies.sms.fallback else None,
        email=_email(row, studio, has_text=bool(words)) if policies.email.fallback else None,
    )
    return Found(
        facts=facts,
        to=row.phone or row.provider_user_id,
        number_id=studio.phone_number_id or "",
        template_name=template.name if template else "",
        template_language=template.language if template else "",
        sms_text=_sms_text(words, row, document),
        sms_number=studio.sms_number or "",
        email=row.email or "",
        email_text=words,
        is_behind=row.is_behind,
        throughput=studio.throughput or standing.throughput,
    )


def with_limits(
    connection: Connection, clocks: Clocks, message: Row[Any], found: Found, form: str | None
) -> tuple[Facts, dict[str, limit_store.Bucket]]:
    """The facts with what rates and the portfolio allow now, and how the paces will stand once the message has gone.

    The number's bucket is held until the transaction ends: whoever counts after this one sees this message.
    """
    real_now = clocks.real.now()
    number = limit_store.number_bucket(message.workspace_id)
    pair = limit_store.pair_bucket(message.workspace_id, message.lead_id)
    buckets = limit_store.hold_buckets(connection, [number, pair], real_now)
    of_number = pace.of_number(found.throughput)
    free = [
        of.free_at(bucket.due_at)
        for of, bucket in (
            (of_number, buckets[number]),
            (pace.APP, buckets.get(limit_store.APP, limit_store.Bucket())),
        )
        if bucket.due_at is not None
    ]
    facts = found.facts.model_copy(
        update={
            "real_now": real_now,
            "number_free_at": max(free, default=None),
            "pair_free_at": pace.PAIR.free_at(buckets[pair].due_at or real_now),
        }
    )
    if form == "template" and facts.people_limit is not None:
        people = limit_store.people_reached(
            connection, message.workspace_id, message.lead_id, facts.now, _DAY, facts.people_limit
        )
        facts = facts.model_copy(
            update={
                "people_reached": people.others,
                "is_reached": people.is_reached,
                "people_free_at": people.free_at,
            }
        )
    gone = {
        number: buckets[number]._replace(due_at=of_number.after(buckets[number].due_at, real_now)),
        pair: buckets[pair]._replace(due_at=pace.PAIR.after(buckets[pair].due_at, real_now)),
    }
    return facts, gone


def _paused(controls: Sequence[dict[str, Any]], channel: str) -> tuple[str, ...]:
    return tuple(_in_words(one) for one in controls if one["kind"] == "pause" and one["channel"] in (None, channel))


def _is_dry(controls: Sequence[dict[str, Any]], channel: str) -> bool:
    return any(one["kind"] == "dry_run" and one["channel"] in (None, channel) for one in controls)


def _sms(row: Row[Any], studio: Row[Any], document: StudioConfiguration, *, has_text: bool) -> SmsFacts:
    controls = studio.controls or []
    return SmsFacts(
        has_text=has_text,
        can_receive=row.phone is not None and row.sms_refused is None,
        number_connected=studio.sms_account is not None and studio.sms_number is not None,
        registered=row.country != "US" or document.operator.policies.sms.us_registration == "approved",
        paused=_paused(controls, SMS),
        dry_run=_is_dry(controls, SMS),
    )


def _email(row: Row[Any], studio: Row[Any], *, has_text: bool) -> EmailFacts:
    controls = studio.controls or []
    return EmailFacts(
        has_text=has_text,
        can_receive=row.email is not None and row.email_refused is None,
        agreed=(row.consents or {}).get("email"),
        paused=_paused(controls, EMAIL),
        dry_run=_is_dry(controls, EMAIL),
    )


def _template(message: Row[Any], row: Row[Any], studio: Row[Any]) -> _Template | None:
    """The template that the message goes as where free text is not allowed: the one that is wanted, or a sibling."""
    if not message.template_name:
        return None
    return best_of([_Template(**one) for one in studio.templates or ()], message.template_name, row.language)


def _resumes_at(template: _Template | None, now: datetime) -> datetime | None:
    """When a template that is paused is looked at again."""
    if template is None or template.state != PAUSED:
        return None
    until = datetime.fromisoformat(template.paused_until) if template.paused_until else None
    return until if until and until > now else now + SOON


def _words(message: Row[Any], template: _Template | None) -> str:
    """The message's words, or its template's filled in; empty where there are none."""
    words: str = message.text or ""
    if not words and template is not None:
        values = message.template_parameters or []
        words = _VARIABLE.sub(lambda found: _value(values, int(found.group(1))), template.body)
    return words


def _sms_text(words: str, row: Row[Any], document: StudioConfiguration) -> str:
    """What an SMS says: the words, with how to be left alone; empty where there are none."""
    if not words:
        return ""
    leave = phrase("sms_opt_out", row.language, document.studio.name)
    return f"{words[: _SMS_LONGEST - len(leave) - 1]}\n{leave}"


def _value(values: Sequence[str], number: int) -> str:
    return values[number - 1] if number <= len(values) else ""


def _in_words(control: dict[str, Any]) -> str:
    where = "the whole fleet" if control["is_fleet"] else "this studio"
    what = f" over {control['channel']}" if control["channel"] else ""
    return f"{where}{what} ({control['reason']})"
