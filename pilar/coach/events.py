"""The coach's jobs and events. What belongs here: their payloads; references, never personal data."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pilar.backplane.facts import Payload


class SendNudge(Payload):
    """Have a planned nudge written to its lead, now that it is due."""

    type_name: ClassVar[str] = "coach.nudge"

    nudge_id: UUID


class NudgeAskedFor(Payload):
    """A studio's leads are to be written to now, with one kind of nudge: each at most once on their local day."""

    from_outside: ClassVar[bool] = True
    kind: ClassVar[str]
    """As the planner has it."""

    lead_id: UUID | None = None
    """This lead alone; none: all who are coached."""


class MorningNudge(NudgeAskedFor):
    """Good morning."""

    type_name: ClassVar[str] = "coach.morning_nudge"
    kind: ClassVar[str] = "morning_nudge"


class MissedTrainingNudge(NudgeAskedFor):
    """A training was missed."""

    type_name: ClassVar[str] = "coach.missed_training_nudge"
    kind: ClassVar[str] = "missed_training_nudge"


class WeeklyCheckin(NudgeAskedFor):
    """How was the week?"""

    type_name: ClassVar[str] = "coach.weekly_checkin"
    kind: ClassVar[str] = "weekly_checkin"


class GoalProgressReport(NudgeAskedFor):
    """How far a goal is reached."""

    type_name: ClassVar[str] = "coach.goal_progress_report"
    kind: ClassVar[str] = "goal_progress_report"


class NutritionReminder(NudgeAskedFor):
    """Eat well."""

    type_name: ClassVar[str] = "coach.nutrition_reminder"
    kind: ClassVar[str] = "nutrition_reminder"


class MotivationMessage(NudgeAskedFor):
    """A word of encouragement."""

    type_name: ClassVar[str] = "coach.motivation_message"
    kind: ClassVar[str] = "motivation_message"


ASKED_FOR: tuple[type[NudgeAskedFor], ...] = (
    MorningNudge,
    MissedTrainingNudge,
    WeeklyCheckin,
    GoalProgressReport,
    NutritionReminder,
    MotivationMessage,
)
