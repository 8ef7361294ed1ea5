"""The SQL of messaging's part in what is kept about a lead: moving, telling and shredding rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from pilar.people import About

_OF = "where workspace_id = :w and lead_id = :lead"

_MOVE = (
    f"update message set lead_id = :to {_OF}",
    f"update lead_note set lead_id = :to {_OF}",
    # Whoever is one person is reached as the one who stays is; what is known of the other only counts where nothing is.
    f"""
    insert into lead_reach
      (workspace_id, lead_id, undelivered, unreachable_since, marketing_waits, marketing_waits_until, sms_refused)
    select workspace_id, :to, undelivered, unreachable_since, marketing_waits, marketing_waits_until, sms_refused
    from lead_reach {_OF}
    on conflict do nothing
    """,
    f"delete from lead_reach {_OF}",
    f"update lead_call set lead_id = :to {_OF}",
    f"delete from lead_erasure {_OF}",
    """
    delete from session_window o using session_window k
    where o.workspace_id = :w and o.lead_id = :lead and k.workspace_id = :w and k.lead_id = :to
      and k.opened_at = o.opened_at
    """,
    f"update session_window set lead_id = :to {_OF}",
    # Who stays was written to rightly until now.
    f"update refusal_question set lead_id = :to, since = greatest(since, :now) {_OF}",
    "select pilar_move_consent(:w, :lead, :to, :now)",
    # A person who took one of the two over has both from now on, and the bot was right to write until now.
    """
    update conversation k set last_inbound_at = greatest(k.last_inbound_at, o.last_inbound_at),
      last_message_at = greatest(k.last_message_at, o.last_message_at), unread = k.unread + o.unread,
      mode_since = case when k.mode = o.mode then k.mode_since else :now end,
      mode_reason = case when o.mode = 'person' and k.mode <> 'person' then o.mode_reason else k.mode_reason end,
      mode = case when o.mode = 'person' then o.mode else k.mode end,
      assigned_to = case when o.mode = 'person' and k.mode <> 'person' then coalesce(o.assigned_to, k.assigned_to)
                    else coalesce(k.assigned_to, o.assigned_to) end
    from conversation o
    where k.workspace_id = :w and k.lead_id = :to and o.workspace_id = :w and o.lead_id = :lead
    """,
    """
    delete from conversation o using conversation k
    where o.workspace_id = :w and o.lead_id = :lead and k.workspace_id = :w and k.lead_id = :to
    """,
    f"update conversation set lead_id = :to {_OF}",
    f"update lead_alias set lead_id = :to {_OF}",
)

_ERASE = (
    f"""
    update effect set response = jsonb_build_object('id', 'erased:' || key)
    where kind in ('whatsapp.send', 'twilio.send_sms') and response is not null
      and key in (select id::text from message {_OF})
    """,
    f"""
    update message set text = null, template_parameters = null, provider_message_id = null, error = null,
      details = null, cause = 'erased:' || id,
      state = case when state in ('queued', 'held') then 'cancelled' else state end,
      template_name = case when state = 'unknown' then null else template_name end,
      verdict = case when verdict is null then null
                else jsonb_set(jsonb_set(verdict, '{{facts,country}}', 'null'), '{{facts,zones}}', '[]') end
    {_OF}
    """,
    f"""
    update message_media set content = null, state = 'gone', mime_type = 'erased'
    where workspace_id = :w and message_id in (select id from message {_OF})
    """,
    f"delete from lead_note {_OF}",
    f"delete from lead_reach {_OF}",
    f"delete from session_window {_OF}",
    f"delete from refusal_question {_OF}",
    f"update lead_call set provider_call_id = 'erased:' || id {_OF}",
    "select pilar_erase_proofs(:w, :lead)",
    f"update conversation set mode_reason = 'The lead was erased.', unread = 0, assigned_to = null {_OF}",
    f"update lead_alias set reason = 'The lead was erased.' {_OF}",
    """
    update lead set provider_user_id = 'erased:' || id, phone = null, name = null, country = null, time_zone = null,
      language = 'en', email = null, email_refused = null, tags = '[]', properties = '{}', lifecycle = 'erased'
    where workspace_id = :w and id = :lead
    """,
)

# Of files what they are: their bytes are handed out one by one, where the conversation shows them.
_TABLES = {
    "lead": "select * from lead where workspace_id = :w and id = :lead",
    "merged": f"select * from lead_alias {_OF} order by merged_at",
    "consent": f"select * from consent {_OF} order by id",
    "conversation": f"select * from conversation {_OF}",
    "messages": f"select * from message {_OF} order by occurred_at, id",
    "message_statuses": """
    select s.* from message_status s join message m on m.workspace_id = s.workspace_id and m.id = s.message_id
    where m.workspace_id = :w and m.lead_id = :lead order by s.at
    """,
    "message_files": """
    select f.message_id, f.state, f.mime_type, f.size, f.asked_at, f.fetched_at
    from message_media f join message m on m.workspace_id = f.workspace_id and m.id = f.message_id
    where m.workspace_id = :w and m.lead_id = :lead order by f.asked_at
    """,
    "notes": f"select * from lead_note {_OF} order by written_at",
    "reach": f"select * from lead_reach {_OF}",
    "session_windows": f"select * from session_window {_OF} order by opened_at",
    "refusal_questions": f"select * from refusal_question {_OF} order by since",
    "calls": f"select * from lead_call {_OF} order by began_at",
}


def move(about: About, to: UUID) -> None:
    """Have every row name another lead."""
    for statement in _MOVE:
        about.connection.execute(text(statement), {**about.key, "to": to})


def everything(about: About) -> dict[str, list[Row[Any]]]:
    """Every row about a lead, by what it is."""
    return {name: list(about.connection.execute(text(query), about.key)) for name, query in _TABLES.items()}


def erase(about: About) -> None:
    """Shred what tells who they are; what is not handed over is withdrawn."""
    for statement in _ERASE:
        about.connection.execute(text(statement), about.key)


def names_of(about: About) -> list[str]:
    """What the providers know a lead and their messages by."""
    query = (
        f"select provider_user_id from lead where workspace_id = :w and id = :lead"
        f" union select phone from lead where workspace_id = :w and id = :lead and phone is not null"
        f" union select provider_message_id from message {_OF} and provider_message_id is not null"
        f" union select provider_call_id from lead_call {_OF}"
    )
    return list(about.connection.execute(text(query), about.key).scalars())


def newest(about: About, table: str, order: str, limit: int) -> list[Row[Any]]:
    """The newest rows of one of this room's tables about a lead."""
    query = f"select * from {table} {_OF} order by {order} desc limit :n"
    return list(about.connection.execute(text(query), {**about.key, "n": limit}))


def is_being_sent(connection: Connection, workspace_id: UUID, lead_id: UUID) -> bool:
    """Whether a message to a lead is with the provider at this moment."""
    query = f"select exists (select from message {_OF} and state = 'attempted')"
    return bool(connection.execute(text(query), {"w": workspace_id, "lead": lead_id}).scalar_one())
