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
                 and c.scope = 'all' and c.recorded_at < f.fired_at order by c.id desc limit 1) = false
        """,
    ),
)
