"""What a verdict rests on, found out for one message. What belongs here: gathering; the rule is `verdict.py`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row

from pilar.backplane.budgets import window_start
from pilar.messaging import store, template_store
from pilar.messaging.outbox import OPT_OUT_NOTICE, TEST
from pilar.messaging.verdict import Facts
from pilar.messaging.zones import plausible_zones
from pilar.workspaces import store as workspaces

WINDOW = timedelta(hours=24)
"""How long free text is allowed after a lead's last message."""

CHANNEL = "whatsapp"


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


def gather(connection: Connection, message: Row[Any], lead: Row[Any], now: datetime) -> Facts:
    """The facts about a message as they are in this transaction. Needs the fleet's scope and the lead's lock.

    The studio is held, so that one that is suspended at this moment sends nothing afterwards.

    Args:
        connection: that transaction.
        message: the message's row.
        lead: the lead's, held.
        now: business time.
    """
    workspace_id: UUID = message.workspace_id
    studio = workspaces.hold_workspace(connection, workspace_id)
    _, document = workspaces.load_configuration(connection, workspace_id)
    conversation = store.find_conversation(connection, workspace_id, lead.id)
    consents = store.consents(connection, workspace_id, lead.id)
    controls = store.controls_over(connection, workspace_id, CHANNEL)
    number = workspaces.get_integration(connection, workspace_id, "whatsapp")
    template = (
        template_store.best_sibling(connection, workspace_id, message.template_name, lead.language)
        if message.template_name
        else None
    )
    policy = document.operator.policies.whatsapp
    return Facts(
        now=now,
        category=message.category,
        asked_for=message.reply_to is not None or message.origin == TEST,
        confirms_opt_out=message.origin == OPT_OUT_NOTICE,
        by_person=message.origin.startswith(("staff:", "notice:")) or message.origin == TEST,
        studio_open=studio.state == "active" or (message.origin == TEST and studio.state == "provisioning"),
        studio_state=studio.state,
        whatsapp_on=policy.enabled and document.feature("whatsapp"),
        number_connected=number is not None and number.state == "connected" and number.phone_number_id is not None,
        paused=tuple(_in_words(row) for row in controls if row.kind == "pause"),
        dry_run=any(row.kind == "dry_run" for row in controls),
        opted_out=opted_out_scope(consents),
        opted_in=consents.get("marketing") is True,
        with_person=conversation is not None and conversation.mode == "person",
        window_closes_at=window_closes_at(conversation),
        has_text=bool(message.text),
        template_state=template.state if template else None,
        country=lead.country,
        zones=plausible_zones(lead.time_zone, lead.phone, studio.time_zone),
        sent_today=store.sent_since(connection, workspace_id, window_start("day", now)),
        daily_limit=policy.daily_limit,
    )


def _in_words(control: Row[Any]) -> str:
    where = "the whole fleet" if control.workspace_id is None else "this studio"
    what = f" over {control.channel}" if control.channel else ""
    return f"{where}{what} ({control.reason})"
