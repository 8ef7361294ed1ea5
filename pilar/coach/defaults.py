"""The training logic a new studio starts with. What belongs here: which coaching messages are due when."""

from __future__ import annotations

from pilar.workspaces.configuration import CoachingConfiguration, CoachSchedule

SCHEDULES = (
    CoachSchedule(type="coach.morning_nudge", cron="0 8 * * *"),
    CoachSchedule(type="coach.missed_training_nudge", cron="0 18 * * *"),
    CoachSchedule(type="coach.weekly_checkin", cron="0 17 * * 0"),
    CoachSchedule(type="coach.goal_progress_report", cron="0 10 1 * *"),
    CoachSchedule(type="coach.nutrition_reminder", cron="0 12 * * 1,4", enabled=False),
    CoachSchedule(type="coach.motivation_message", cron="0 9 * * 3", enabled=False),
)
"""The two that are off are what leads most often find too much; the studio turns them on."""


def training_logic() -> CoachingConfiguration:
    """The coaching of a studio that has not configured any."""
    return CoachingConfiguration(enabled=True, schedules=SCHEDULES)
