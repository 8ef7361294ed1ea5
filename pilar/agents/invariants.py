"""What the agent promises, as queries that return no row while the promise holds."""

from __future__ import annotations

from pilar.backplane.invariants import Invariant

INVARIANTS = (
    Invariant(
        "a_message_is_answered_once",
        "No message of a lead's has two answers by rules; one that failed may have been followed by its template.",
        """
        select workspace_id, reply_to, count(*) from message
        where direction = 'out' and origin like 'rule:%' and reply_to is not null and state <> 'failed'
        group by workspace_id, reply_to having count(*) > 1
        """,
    ),
    Invariant(
        "answers_go_to_who_asked",
        "Each rule's answer goes to the lead whose message it answers.",
        """
        select f.workspace_id, f.message_id, f.answer_id from rule_firing f
        join message asked on asked.workspace_id = f.workspace_id and asked.id = f.message_id
        left join message a on a.workspace_id = f.workspace_id and a.id = f.answer_id
        where asked.lead_id <> f.lead_id or asked.direction <> 'in'
           or (f.answer_id is not null and (a.lead_id <> f.lead_id or a.reply_to is distinct from f.message_id))
        """,
    ),
    Invariant(
        "rules_keep_out_of_what_is_a_persons",
        "No rule has answered since a person took the conversation over.",
        """
        select f.workspace_id, f.message_id, f.lead_id from rule_firing f
        join conversation c on c.workspace_id = f.workspace_id and c.lead_id = f.lead_id
        where c.mode = 'person' and f.fired_at > c.mode_since
        """,
    ),
    Invariant(
        "rules_answer_nobody_who_opted_out",
        "No rule has answered a message that was written after its lead had asked for no more messages.",
        """
        select f.workspace_id, f.message_id, f.lead_id from rule_firing f
        where (select c.granted from consent c where c.workspace_id = f.workspace_id and c.lead_id = f.lead_id
                 and c.scope = 'all' and coalesce(c.moved_at, c.recorded_at) < f.fired_at
               order by c.id desc limit 1) = false
        """,
    ),
    Invariant(
        "a_turn_is_answered_once",
        "What a model says answers one turn, of the lead who wrote, and each turn that is answered has its words.",
        """
        select m.workspace_id, m.id, m.lead_id from message m
        left join model_turn t on t.workspace_id = m.workspace_id and t.answer_id = m.id
        where m.origin like 'model:%'
          and (t.id is null or t.state <> 'answered' or t.lead_id <> m.lead_id or t.message_id <> m.reply_to)
        union all
        select workspace_id, id, lead_id from model_turn where state = 'answered' and answer_id is null
        """,
    ),
    Invariant(
        "an_offer_books_for_whom_it_was_made",
        "What an offer of times has led to is a booking of the lead to whom they were offered.",
        """
        select o.workspace_id, o.id, o.lead_id, b.lead_id as booked_for from slot_offer o
        join booking b on b.workspace_id = o.workspace_id and b.id = o.booking_id
        where b.lead_id <> o.lead_id
        """,
    ),
    Invariant(
        "models_speak_where_the_studio_said_so",
        "A model was asked only in a studio whose configuration had it answer at some time.",
        """
        select t.workspace_id, t.id, t.provider from model_turn t where t.provider is not null and not exists (
          select from workspace_configuration c where c.workspace_id = t.workspace_id
             and c.document -> 'agent' ->> 'answers' = 'model')
        """,
    ),
)
