"""What the coach promises, as queries that return no row while the promise holds."""

from __future__ import annotations

from pilar.backplane.invariants import Invariant

INVARIANTS = (
    Invariant(
        "a_nudge_is_written_to_its_own_lead",
        "Each nudge's message is marketing to the lead it was planned for, and was made for it.",
        """
        select n.workspace_id, n.id, n.lead_id, m.id as message_id, m.lead_id as written_to
        from coach_nudge n join message m on m.workspace_id = n.workspace_id and m.id = n.message_id
        where m.lead_id <> n.lead_id or m.category <> 'marketing'
           or m.cause not in ('nudge:' || n.id, 'erased:' || m.id)
           or m.origin <> 'coach:' || n.type
        """,
    ),
    Invariant(
        "nobody_is_coached_in_quiet_hours",
        "No nudge was handed over before 8 or after 21 in any of the zones in which its lead may have been, nor where"
        " nobody had asked which these are.",
        """
        select m.workspace_id, m.id, m.lead_id, m.attempted_at, zone from message m
        left join lateral jsonb_array_elements_text(m.verdict -> 'facts' -> 'zones') zone on true
        where m.direction = 'out' and starts_with(m.origin, 'coach:') and m.attempted_at is not null
          and (zone is null and m.cause <> 'erased:' || m.id
               or not (m.attempted_at at time zone zone)::time between '08:00' and '20:59:59.999999')
        """,
    ),
    Invariant(
        "a_lead_gets_a_nudge_once_a_day",
        "Of each type a lead was handed at most one nudge that did not fail on their local day.",
        """
        select n.workspace_id, n.lead_id, n.type, n.local_day, count(*) as handed_over
        from coach_nudge n
        join message m on m.workspace_id = n.workspace_id and m.lead_id = n.lead_id and m.direction = 'out'
          and m.origin = 'coach:' || n.type and starts_with(m.cause, 'nudge:' || n.id)
          and m.attempted_at is not null and m.accepted_at is not null and m.state <> 'failed'
        group by n.workspace_id, n.lead_id, n.type, n.local_day
        having count(*) > 1
        """,
    ),
    Invariant(
        "nobody_is_nudged_who_is_paused",
        "Since a lead's coaching was paused no message was made for them but one last question.",
        """
        select e.workspace_id, e.lead_id, e.paused_at, count(*) as made
        from coach_enrolment e
        join coach_nudge n on n.workspace_id = e.workspace_id and n.lead_id = e.lead_id
        join message m on m.workspace_id = n.workspace_id and m.id = n.message_id
        where e.paused_at is not null and m.occurred_at > e.paused_at
        group by e.workspace_id, e.lead_id, e.paused_at
        having count(*) > 1 or bool_or(n.type <> 'last_question')
        """,
    ),
    Invariant(
        "nobody_is_written_to_more_often_than_they_chose",
        "A decision about a lead's pace only ever makes it slower than what they chose, and is kept with its reason.",
        """
        select e.workspace_id, e.lead_id, e.frequency, e.slowed_to, e.pace_at from coach_enrolment e
        where (e.slowed_to, e.frequency) in (('daily', 'daily'), ('daily', 'weekly'), ('daily', 'bi-weekly'),
                                             ('weekly', 'weekly'), ('weekly', 'bi-weekly'), ('bi-weekly', 'bi-weekly'))
           or ((e.slowed_to is not null or e.paused_at is not null) and not exists (
             select from coach_pace p where p.workspace_id = e.workspace_id and p.lead_id = e.lead_id
               and p.decided_at = e.pace_at))
        """,
    ),
    Invariant(
        "nobody_is_coached_after_it_has_ended",
        "No message was made for a nudge since the coaching of its lead has ended.",
        """
        select n.workspace_id, n.id, n.lead_id, e.ended_at
        from coach_nudge n
        join coach_enrolment e on e.workspace_id = n.workspace_id and e.lead_id = n.lead_id
        join message m on m.workspace_id = n.workspace_id and m.id = n.message_id
        where m.occurred_at > e.ended_at
        """,
    ),
    Invariant(
        "nudges_to_come_have_work",
        "Each nudge that is still to come has work that will see to it, or a dead letter that says why not.",
        """
        select n.workspace_id, n.id, n.lead_id, n.due_at from coach_nudge n
        where n.message_id is null and n.skipped is null and not exists (
          select from idempotency_key k
          where k.workspace_id = n.workspace_id
            and k.digest in (
              pilar_key_digest(3, 'coach.nudge', n.id::text),
              pilar_key_digest(3, 'coach.personalise', n.id::text),
              pilar_key_digest(3, 'coach.wake', n.plan_id || ':' || floor(extract(epoch from n.due_at))::bigint))
            and (exists (select from pending_work w where w.position = k.position)
                 or exists (select from dead_letter d where d.position = k.position)))
        """,
    ),
    Invariant(
        "models_write_nudges_where_the_studio_said_so",
        "A model was asked for a nudge only in a studio whose configuration had it write them at some time.",
        """
        select n.workspace_id, n.id, n.model from coach_nudge n where n.asked_at is not null and not exists (
          select from workspace_configuration c where c.workspace_id = n.workspace_id
             and c.document -> 'coaching' ->> 'written_by' = 'model')
        """,
    ),
    Invariant(
        "each_nudge_tells_who_wrote_it",
        "A nudge that a model wrote was asked for, and one that it did not write though it was asked tells why.",
        """
        select workspace_id, id, written_by, not_by_model from coach_nudge
        where message_id is not null and asked_at is not null
          and (written_by = 'model') = (not_by_model is not null)
           or written_by = 'model' and asked_at is null
        """,
    ),
    Invariant(
        "reached_goals_are_whole",
        "A goal is reached exactly where its progress is 100 percent, unless it was given up.",
        """
        select workspace_id, id, state, progress from coach_goal
        where state <> 'dropped' and (state = 'reached') <> (progress = 100)
        """,
    ),
    Invariant(
        "the_last_training_is_the_last",
        "What is kept ready of a lead's trainings agrees with the trainings themselves.",
        """
        select t.workspace_id, t.lead_id, max(t.trained_at) filter (where t.state = 'done') as last, c.last_training_at
        from coach_training t left join coach_state c on c.workspace_id = t.workspace_id and c.lead_id = t.lead_id
        group by t.workspace_id, t.lead_id, c.last_training_at
        having c.last_training_at is distinct from max(t.trained_at) filter (where t.state = 'done')
        """,
    ),
)
