"""What follow-ups promise, as queries that return no row while the promise holds."""

from __future__ import annotations

from pilar.backplane.invariants import Invariant

INVARIANTS = (
    Invariant(
        "planned_followups_are_on_their_way",
        "Each pending step has work that makes it a message when it is due, or a dead letter that says why not.",
        """
        select p.workspace_id, p.id from followup_step p
        where p.message_id is null and p.skipped is null and not exists (
          select from autopilot_job j where j.workspace_id = p.workspace_id and j.type = 'followups.send'
            and j.payload ->> 'step_id' = p.id::text
            and (exists (select from pending_work w where w.position = j.position)
                 or exists (select from dead_letter d where d.position = j.position)))
        """,
    ),
    Invariant(
        "nobody_who_answered_is_followed_up",
        "No follow-up was made a message for a lead of whom we knew that they had written since our answer.",
        """
        select p.workspace_id, p.id, p.lead_id, p.made_at from followup_step p
        where p.message_id is not null
          and exists (select from message i where i.workspace_id = p.workspace_id and i.lead_id = p.lead_id
                        and i.direction = 'in' and i.occurred_at > p.silent_since and i.id < p.message_id)
          and not exists (select from lead_alias a where a.workspace_id = p.workspace_id and a.lead_id = p.lead_id)
        """,
    ),
)
