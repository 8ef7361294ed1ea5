"""Follow-ups, session windows and templates. What belongs here: what a run tells; the rules are the rooms'."""

from __future__ import annotations

from pilar_pipelines.studios import studio_asset

followup_dispatch = studio_asset(
    "followup_dispatch",
    "pilar.followups.planning:plan",
    group_name="followups",
    check="every_studios_followups_were_planned",
    promises="No studio of the run failed; what was planned before for one that did goes out all the same.",
    description=(
        "What silent leads get in the next hours, with the work that sends it when it is due; needless "
        "steps called off."
        "\n\nA run takes a range of studios; planning again plans nothing twice."
    ),
    counted=("planned", "stopped"),
)


session_windows = studio_asset(
    "session_windows",
    "pilar.messaging.windows:watch",
    group_name="followups",
    check="every_studios_windows_were_watched",
    promises="No studio of the run failed; windows of one that did are told of by the next run.",
    description="The 24-hour windows that close on leads who wait, each told once as closing and once as closed.",
    counted=("closing", "closed", "last_texts=texts"),
)


whatsapp_templates = studio_asset(
    "whatsapp_templates",
    "pilar.messaging.template_sync:ask_for_all",
    group_name="followups",
    check="every_studios_templates_were_asked_for",
    promises="No studio of the run failed; templates of one that did stay as they were read last.",
    description=(
        "The work that reads each studio's templates at WhatsApp once a day: states, quality, what is new or gone."
    ),
    counted="asked_for",
)


template_usage = studio_asset(
    "template_usage",
    "pilar.messaging.template_overview:refresh_usage",
    group_name="followups",
    check="every_studios_templates_were_counted",
    promises="No studio of the run failed; one that did keeps its last good figures.",
    description="What came of each template, by day, in `analytics.template_day`.",
    counted="rows",
)


followup_activity = studio_asset(
    "followup_activity",
    "pilar.followups.activity:refresh_followups",
    group_name="followups",
    deps=[followup_dispatch],
    check="every_studios_followups_were_counted",
    promises="No studio of the run failed; one that did keeps its last good figures.",
    description="What came of the follow-ups, by day and name, in `analytics.followup_day`.",
    counted="rows",
)
