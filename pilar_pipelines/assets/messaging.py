"""Messages in figures. What belongs here: what a run tells; counting is messaging's."""

from __future__ import annotations

from pilar_pipelines.studios import studio_asset

messaging_activity = studio_asset(
    "messaging_activity",
    "pilar.messaging.activity:refresh_activity",
    group_name="messaging",
    check="every_studios_messages_were_counted",
    promises="No studio of the run failed; one that did keeps its last good figures.",
    description=(
        "Each studio's messages of the last days, with how fast leads were answered, in `analytics.messaging_day`."
    ),
    counted="rows",
)


messaging_cost = studio_asset(
    "messaging_cost",
    "pilar.messaging.costs:refresh_costs",
    group_name="messaging",
    check="every_studios_costs_were_counted",
    promises="No studio of the run failed; one that did keeps its last good figures.",
    description=(
        "What each studio's messages cost by month, beside what its plan brings, in `analytics.messaging_cost`."
    ),
    counted="rows",
)
