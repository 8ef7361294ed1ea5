"""Rules in figures. What belongs here: what a run tells; what a rule is worth is the agents' room's."""

from __future__ import annotations

from pilar_pipelines.studios import studio_asset

rule_performance = studio_asset(
    "rule_performance",
    "pilar.agents.analytics_store:refresh_rule_performance",
    group_name="agents",
    kinds={"postgres", "pandas"},
    check="every_studios_rules_were_judged",
    promises="No studio of the run failed; one that did keeps its last good figures.",
    description="How often each rule answered and what came of it, in `analytics.rule_performance`.",
    counted="rows",
)
