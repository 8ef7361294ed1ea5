"""Who answers a lead: the bot, or a person. What belongs here: handing over and back, and the staff's own answers."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.backplane.facts import Cause, Event, Lane, emit
from pilar.clocks import Clocks
from pilar.errors import Conflict, Invalid
from pilar.messaging import assigning, handing_back, store, template_choices
from pilar.messaging.events import HandedOver
from pilar.messaging.facts import opted_out_scope, window_closes_at
from pilar.messaging.outbox import HAND_OVER_NOTICE, NewMessage, queue_message
from pilar.messaging.phrases import phrase
from pilar.messaging.verdict import objection_to_answer
from pilar.workspaces import store as workspaces


def hand_over(
    connection: Connection,
    clocks: Clocks,
    workspace_id: UUID,
    lead_id: UUID,
    reason: str,
    story: Cause,
    *,
    told: UUID | None = None,
) -> bool:
    """Have a person answer from now on; return whether the bot did until now.

    Args:
        connection: a transaction.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: whose conversation.
        reason: why, in words.
        story: the story it belongs to.
        told: the lead's message that asks for it; the lead is then told that a person will answer.
    """
    lead = store.lock_lead(connection, workspace_id, lead_id)
    lead_id = lead.id
    thread = store.find_conversation(connection, workspace_id, lead_id)
    if thread is None or thread.mode == "person":
        return False
    now = clocks.business.now()
    changed = {"mode": "person", "mode_since": now, "mode_reason": reason}
    store.change_conversation(connection, workspace_id, lead_id, changed)
    event = Event(
        payload=HandedOver(lead_id=lead_id, reason=reason),
        key=f"{lead_id}:{now.isoformat()}",
        aggregate=("lead", str(lead_id)),
        workspace_id=workspace_id,
    )
    emit(connection, clocks, [event], story)
    handing_back.plan(connection, clocks, workspace_id, lead_id, since=now, last_word=now, story=story)
    if told is not None:
        studio = workspaces.get_workspace(connection, workspace_id)
        notice = NewMessage(
            lead_id=lead_id,
            category="service",
            origin=HAND_OVER_NOTICE,
            cause=f"handed_over:{told}",
            text=phrase("handed_over", lead.language, studio.name),
            reply_to=told,
        )
        queue_message(connection, clocks, workspace_id, notice, story)
        # The acknowledgement is not the answer: the thread stays unread until somebody gives that.
        store.change_conversation(connection, workspace_id, lead_id, {"unread": max(thread.unread, 1)})
    return True


def take_over(connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, actor: str) -> bool:
    """Staff takes a conversation over from the bot."""
    lead_id = store.lock_lead(connection, workspace_id, lead_id).id
    done = hand_over(connection, clocks, workspace_id, lead_id, "Taken over by the staff.", Cause.new())
    if done:
        _audit(connection, clocks, workspace_id, lead_id, actor, "conversation.taken_over")
    assigning.take(connection, clocks, workspace_id, lead_id, actor)
    return done


def hand_back(connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, actor: str) -> bool:
    """Have the bot answer again; return whether a person did until now."""
    lead_id = store.lock_lead(connection, workspace_id, lead_id).id
    thread = store.find_conversation(connection, workspace_id, lead_id)
    if thread is None or thread.mode == "bot":
        return False
    changed = {"mode": "bot", "mode_since": clocks.business.now(), "mode_reason": "Handed back by the staff."}
    changed["assigned_to"] = None
    store.change_conversation(connection, workspace_id, lead_id, changed)
    _audit(connection, clocks, workspace_id, lead_id, actor, "conversation.handed_back")
    return True


def answer(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, text: str, actor: str, *, form_id: str
) -> UUID | None:
    """A person answers a lead, who is theirs from now on; None where the same form was sent before.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: to whom.
        text: as typed.
        actor: who, as in the audit log.
        form_id: of the form it was typed into: sent twice, it counts once.

    Raises:
        Invalid: there is no text.
        Conflict: the window is closed or the lead opted out; nothing is queued.
    """
    text = text.strip()
    if not text:
        raise Invalid("Write something first.")
    lead_id = store.lock_lead(connection, workspace_id, lead_id).id
    thread = store.find_conversation(connection, workspace_id, lead_id)
    opted_out = opted_out_scope(store.consents(connection, workspace_id, lead_id))
    objection = objection_to_answer(opted_out, window_closes_at(thread), clocks.business.now())
    if objection is not None:
        raise Conflict(objection)
    take_over(connection, clocks, workspace_id, lead_id, actor)
    message = NewMessage(
        lead_id=lead_id,
        category="service",
        origin=f"staff:{actor}",
        cause=f"form:{form_id}",
        text=text,
        lane=Lane.REPLY,
    )
    return queue_message(connection, clocks, workspace_id, message, Cause.new())


def answer_by_template(
    connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, name: str, actor: str, *, form_id: str
) -> UUID | None:
    """A person writes by a template, whether the window is open or not; None where the same form was sent before.

    Whether it may go (marketing wants consent and decent hours) is the last verdict's, which the page shows.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        lead_id: to whom.
        name: the template's.
        actor: who, as in the audit log.
        form_id: of the form it was chosen in: sent twice, it counts once.

    Raises:
        Conflict: WhatsApp has not approved it, or the lead wants no messages; nothing is queued.
    """
    lead = store.lock_lead(connection, workspace_id, lead_id)
    lead_id = lead.id
    if opted_out_scope(store.consents(connection, workspace_id, lead_id)) == "all":
        raise Conflict("The lead asked for no more messages.")
    chosen = next((one for one in template_choices.choices(connection, workspace_id, lead) if one.name == name), None)
    if chosen is None:
        raise Conflict("WhatsApp has approved no such template: choose one of the list.")
    store.ensure_conversation(connection, workspace_id, lead_id, clocks.business.now())
    take_over(connection, clocks, workspace_id, lead_id, actor)
    message = NewMessage(
        lead_id=lead_id,
        category=chosen.category,
        origin=f"staff:{actor}",
        cause=f"form:{form_id}",
        template=chosen.name,
        parameters=chosen.parameters,
        lane=Lane.REPLY,
    )
    return queue_message(connection, clocks, workspace_id, message, Cause.new())


def _audit(connection: Connection, clocks: Clocks, workspace_id: UUID, lead_id: UUID, actor: str, action: str) -> None:
    audit.record(
        connection,
        actor=actor,
        action=action,
        subject=f"lead:{lead_id}",
        now=clocks.real.now(),
        workspace_id=workspace_id,
    )
