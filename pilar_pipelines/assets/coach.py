"""Coaching. What belongs here: what a run tells; who is written to when is the coach's room's."""

from __future__ import annotations

from pilar_pipelines.studios import studio_asset

coach_dispatch = studio_asset(
    "coach_dispatch",
    "pilar.coach.planning:plan",
    group_name="coach",
    check="every_studio_was_planned",
    promises="No studio of the run failed; what was planned before for one that did goes out all the same.",
    description=(
        "What coached leads get in the next day, each on their own local time, with the work that sends "
        "it when it is due."
        "\n\nA run takes a range of studios; planning again plans nothing twice."
    ),
    counted=("nudges", "coaching=studios", "kept_back"),
)


coach_activity = studio_asset(
    "coach_activity",
    "pilar.coach.activity:refresh_coach_activity",
    group_name="coach",
    deps=[coach_dispatch],
    check="every_studios_coaching_was_counted",
    promises="No studio of the run failed; one that did keeps its last good figures.",
    description=(
        "What came of the coaching, by day and type, in `analytics.coach_activity` and `analytics.coach_refusal`."
    ),
    counted="rows",
)


lead_engagement = studio_asset(
    "lead_engagement",
    "pilar.coach.analysing:analyse",
    group_name="coach",
    kinds={"postgres", "pandas"},
    deps=[coach_activity],
    check="every_studios_leads_were_scored",
    promises="No studio of the run failed; the leads of one that did keep their last score and pace.",
    description=(
        "How coached leads take part, in `analytics.lead_engagement`, and how often each is written to because of it."
        "\n\nWhose pace is another now is planned for anew; looking again changes nothing more."
    ),
    counted=("leads", "paces"),
)
