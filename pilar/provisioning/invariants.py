"""What provisioning promises, as queries that return no row while the promise holds."""

from __future__ import annotations

from pilar.backplane.invariants import Invariant

INVARIANTS = (
    Invariant(
        "unfinished_jobs_have_a_reason",
        "Each job that is not complete is being worked on, waits on somebody by name, or has failed with an error.",
        """
        select j.workspace_id, j.id, j.state from provisioning_job j
        where j.state not in ('completed', 'undone')
          and not exists (select from provisioning_step s where s.job_id = j.id
                          and (s.waits_on is not null or (s.status = 'failed' and s.error is not null)))
          and not exists (select from autopilot_job a join pending_work w using (position)
                          where a.workspace_id = j.workspace_id
                          and a.type in ('provisioning.advance', 'provisioning.undo'))
          and not exists (select from autopilot_job a join dead_letter d using (position)
                          where a.workspace_id = j.workspace_id and a.type = 'provisioning.undo')
        """,
    ),
    Invariant(
        "one_number_per_studio",
        "A studio has one number that was bought at most, and none where it brings its own.",
        # What was lost, given back alone or given back with its account is none, and a studio that is erased has none.
        """
        with had as (
          select e.workspace_id from effect e
          where e.kind = 'twilio.buy_number' and e.state = 'confirmed'
            and not exists (select from number_purchase p where p.workspace_id = e.workspace_id
                            and p.effect_key = e.key and p.lost_at is not null)
            and not exists (select from effect r where r.workspace_id = e.workspace_id
                            and r.kind = 'twilio.release_number' and r.key = e.response ->> 'number_sid'
                            and r.state <> 'failed')
            and not exists (select from integration i where i.workspace_id = e.workspace_id
                            and i.provider = 'twilio' and i.state = 'closed')
            and not exists (select from studio_standing s where s.workspace_id = e.workspace_id
                            and s.erased_at is not null))
        select workspace_id, count(*) from had group by workspace_id having count(*) > 1
        union all
        select workspace_id, 1 from had join own_channel using (workspace_id)
        """,
    ),
    Invariant(
        "one_number_a_day",
        "Each number that was bought, or may have been, is counted against a day of its studio's, unless erased.",
        """
        select e.workspace_id, e.key, e.state from effect e
        where e.kind = 'twilio.buy_number' and e.state in ('attempted', 'unknown', 'confirmed')
          and not exists (select from number_purchase p where p.workspace_id = e.workspace_id
                          and p.effect_key = e.key)
          and not exists (select from studio_standing s where s.workspace_id = e.workspace_id
                          and s.erased_at is not null)
        """,
    ),
    Invariant(
        "what_is_brought_is_not_released",
        "No number that a studio brought along was ever given back for it.",
        """
        select o.workspace_id, e.kind from own_channel o join effect e using (workspace_id)
        where e.kind in ('twilio.release_number', 'whatsapp.deregister_number')
        """,
    ),
    Invariant(
        "replacements_go_on",
        "Each replacement of a number that is under way is being worked on, or its work says why not.",
        """
        select n.workspace_id, n.id, n.begun_at from number_replacement n
        where n.ended_at is null
          and not exists (select from autopilot_job j where j.workspace_id = n.workspace_id
                          and j.type = 'provisioning.replace_number' and j.payload ->> 'replacement_id' = n.id::text
                          and (exists (select from pending_work w where w.position = j.position)
                               or exists (select from dead_letter d where d.position = j.position)))
        """,
    ),
    Invariant(
        "what_is_taken_back_is_gone",
        "A signup that was taken back has no open studio, and no account or number that is paid for.",
        """
        select j.workspace_id, j.id from provisioning_job j
        where j.state = 'undone' and (
          exists (select from workspace w where w.workspace_id = j.workspace_id and w.state <> 'closed')
          or exists (select from integration i where i.workspace_id = j.workspace_id and i.provider = 'twilio'
                     and i.state <> 'closed'))
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
    Invariant(
        "paid_subscriptions_are_served",
        "Each subscription that is paid, or in its grace, has a studio that is open, or a named blocker.",
        """
        select s.workspace_id, s.standing, w.state from studio_standing s join workspace w using (workspace_id)
        where s.standing in ('trial', 'active', 'past_due') and w.state <> 'active'
          and not exists (select from provisioning_job j
                          where j.workspace_id = s.workspace_id and j.state <> 'completed')
        union all
        select p.workspace_id, p.status, w.state from subscription p join workspace w using (workspace_id)
        where p.status in ('trialing', 'active') and w.state not in ('active', 'closed')
          and not exists (select from studio_standing s where s.workspace_id = p.workspace_id)
          and not exists (select from provisioning_job j
                          where j.workspace_id = p.workspace_id and j.state <> 'completed')
        union all
        select s.workspace_id, p.status, s.standing from studio_standing s join subscription p using (workspace_id)
        where s.standing = 'closed' and p.status in ('trialing', 'active')
          and not exists (select from autopilot_event e where e.workspace_id = s.workspace_id
                          and e.type = 'incident.requested'
                          and e.payload ->> 'dedupe_key' = 'paid_but_closed:' || s.workspace_id)
          and s.released_at < cast(:business_now as timestamptz) - interval '1 hour'
        """,
    ),
    Invariant(
        "standing_keeps_up_with_time",
        "No studio stands as it did an hour after time alone has changed that, unless the work for it says why.",
        """
        select s.workspace_id, s.standing, s.changes_at from studio_standing s join subscription p using (workspace_id)
        where s.changes_at < cast(:business_now as timestamptz) - interval '1 hour' and s.closed_at is null
          and not exists (select from autopilot_job j where j.type = 'stripe.reconcile_subscription'
                          and j.payload ->> 'subscription_id' = p.stripe_subscription_id
                          and (exists (select from pending_work w where w.position = j.position)
                               or exists (select from dead_letter d where d.position = j.position)))
        """,
    ),
    Invariant(
        "suspended_studios_are_silent",
        "Nothing was handed over for a studio since it was suspended, cancelled or closed.",
        """
        select m.workspace_id, m.id, s.standing, s.in_force_since, m.attempted_at
        from studio_standing s join message m using (workspace_id)
        where s.standing in ('suspended', 'cancelled', 'closed') and m.direction = 'out'
          and m.attempted_at > s.in_force_since
        """,
    ),
    Invariant(
        "closed_studios_let_nobody_in",
        "No token and no address of its calendar is good for a closed studio.",
        """
        select w.workspace_id, 'token' from workspace w join api_token t using (workspace_id)
        where w.state = 'closed' and t.revoked_at is null
        union all
        select w.workspace_id, 'calendar' from workspace w join booking_feed f using (workspace_id)
        where w.state = 'closed' and f.revoked_at is null
        """,
    ),
    Invariant(
        "closed_studios_give_back",
        "Each closed studio has given back its number and accounts, or the work for it says why not.",
        """
        select s.workspace_id, s.closed_at from studio_standing s
        where s.standing = 'closed' and s.released_at is null
          and not exists (select from autopilot_job j where j.workspace_id = s.workspace_id
                          and j.type = 'provisioning.close_studio'
                          and (exists (select from pending_work w where w.position = j.position)
                               or exists (select from dead_letter d where d.position = j.position)))
        """,
    ),
)
