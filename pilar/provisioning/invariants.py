"""What provisioning promises, as queries that return no row while the promise holds."""

from __future__ import annotations

from pilar.backplane.invariants import Invariant

INVARIANTS = (
    Invariant(
        "unfinished_jobs_have_a_reason",
        "Each job that is not complete is being worked on, waits on somebody by name, or has failed with an error.",
        """
        select j.workspace_id, j.id, j.state from provisioning_job j
        where j.state <> 'completed'
          and not exists (select from provisioning_step s where s.job_id = j.id
                          and (s.waits_on is not null or (s.status = 'failed' and s.error is not null)))
          and not exists (select from autopilot_job a join pending_work w using (position)
                          where a.workspace_id = j.workspace_id and a.type = 'provisioning.advance')
        """,
    ),
    Invariant(
        "one_number_per_studio",
        "No studio has bought two numbers.",
        """
        select workspace_id, count(*) from effect
        where kind = 'twilio.buy_number' and state = 'confirmed' group by workspace_id having count(*) > 1
        """,
    ),
    Invariant(
        "active_studios_are_complete",
        "Each active studio has been provisioned to the end, and has a number on WhatsApp.",
        """
        select w.workspace_id from workspace w
        where w.state = 'active' and (
          not exists (select from integration i where i.workspace_id = w.workspace_id and i.provider = 'whatsapp'
                      and i.state = 'connected')
          or not exists (select from provisioning_step s where s.workspace_id = w.workspace_id
                         and s.name = 'activation'))
        """,
    ),
)
