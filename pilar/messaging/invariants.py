"""What messaging promises, as queries that return no row while the promise holds."""

from __future__ import annotations

from pilar.backplane.invariants import Invariant

INVARIANTS = (
    Invariant(
        "nobody_is_written_to_after_opting_out",
        "No message was handed over after its lead had withdrawn consent to it, but for the one confirmation.",
        """
        select m.workspace_id, m.id, m.lead_id, m.origin, m.attempted_at, c.recorded_at, c.moved_at
        from message m join consent c on c.workspace_id = m.workspace_id and c.lead_id = m.lead_id
        where m.direction = 'out' and m.origin <> 'notice:opted_out'
          and m.attempted_at > coalesce(c.moved_at, c.recorded_at)
          and not c.granted
          and case c.scope when 'all' then true when 'email' then m.channel = 'email' else m.category = 'marketing' end
          and not exists (select from consent later where later.workspace_id = c.workspace_id
                          and later.lead_id = c.lead_id and later.scope = c.scope and later.granted
                          and later.id > c.id and later.recorded_at <= m.attempted_at)
        """,
    ),
    Invariant(
        "no_marketing_while_a_refusal_is_unclear",
        "No marketing was handed over between a message that may be a refusal and somebody telling what it is.",
        """
        select m.workspace_id, m.id, m.lead_id, m.origin, m.attempted_at, q.since, q.settled_at
        from refusal_question q join message m on m.workspace_id = q.workspace_id and m.lead_id = q.lead_id
        where m.direction = 'out' and m.category = 'marketing' and m.attempted_at > q.since
          and m.attempted_at < coalesce(q.settled_at, 'infinity')
        """,
    ),
    Invariant(
        "what_is_unclear_comes_to_an_end",
        "Each open question about a refusal has work that will end it, or a dead letter that says why not.",
        """
        select q.workspace_id, q.message_id from refusal_question q
        where q.settled_at is null and not exists (
          select from autopilot_job j where j.workspace_id = q.workspace_id
            and j.type = 'messaging.refusal_unanswered' and j.payload ->> 'message_id' = q.message_id::text
            and (exists (select from pending_work w where w.position = j.position)
                 or exists (select from dead_letter d where d.position = j.position)))
        """,
    ),
    Invariant(
        "mail_goes_to_who_agreed_to_mail",
        "No e-mail was handed over whose lead had not agreed to e-mail before.",
        """
        select m.workspace_id, m.id, m.lead_id, m.attempted_at from message m
        where m.channel = 'email' and m.attempted_at is not null
          and not exists (select from consent c where c.workspace_id = m.workspace_id and c.lead_id = m.lead_id
                          and c.scope = 'email' and c.granted and c.recorded_at <= m.attempted_at)
        """,
    ),
    Invariant(
        "the_bot_is_silent_beside_a_person",
        "Nothing but staff's own words and notices was handed over since a person took a conversation over.",
        """
        select m.workspace_id, m.id, m.lead_id, m.origin from message m
        join conversation c on c.workspace_id = m.workspace_id and c.lead_id = m.lead_id
        where c.mode = 'person' and m.direction = 'out' and m.attempted_at > c.mode_since
          and m.origin not like 'staff:%' and m.origin not like 'notice:%' and m.origin <> 'test'
        """,
    ),
    Invariant(
        "free_text_keeps_to_the_window",
        "No free text was handed to WhatsApp outside the 24-hour window, and nothing to anybody without a verdict.",
        """
        select m.workspace_id, m.id from message m
        where m.direction = 'out' and m.attempted_at is not null
          and (m.verdict is null or (m.channel = 'whatsapp' and m.verdict -> 'decision' ->> 'form' = 'text'
               and coalesce((m.verdict -> 'facts' ->> 'window_closes_at')::timestamptz, '-infinity') <= m.attempted_at))
        """,
    ),
    Invariant(
        "queued_messages_are_on_their_way",
        "Each queued message has work that will hand it over, or a dead letter that says why not.",
        """
        select m.workspace_id, m.id from message m
        where m.state = 'queued' and not exists (
          select from autopilot_job j where j.workspace_id = m.workspace_id and j.type = 'messaging.send'
            and j.payload ->> 'message_id' = m.id::text
            and (exists (select from pending_work w where w.position = j.position)
                 or exists (select from dead_letter d where d.position = j.position)))
        """,
    ),
)
