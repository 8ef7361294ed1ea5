"""The coach's jobs and events. What belongs here: their payloads; references, never personal data."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from pilar.backplane.facts import Payload


class WakeNudges(Payload):
    """Have the nudges that a plan has made for one moment written, now that it has come."""

    type_name: ClassVar[str] = "coach.wake"

    plan_id: UUID
    due_at: datetime

    @staticmethod
    def key_of(plan_id: UUID, due_at: datetime) -> str:
        """The idempotency key, in whole seconds: of one plan, moments are minutes apart. An invariant knows it too."""
        return f"{plan_id}:{int(due_at.timestamp())}"


class SendNudge(Payload):
    """Have a planned nudge written to its lead, now that it is due."""

    type_name: ClassVar[str] = "coach.nudge"

    nudge_id: UUID


class PersonaliseNudge(Payload):
    """Have a model write a nudge that is due, for its lead."""

    type_name: ClassVar[str] = "coach.personalise"

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


class TrainingRecorded(Payload):
    """A lead has attended a training."""

    type_name: ClassVar[str] = "training.recorded"
    from_outside: ClassVar[bool] = True

    lead_id: UUID
    trained_at: AwareDatetime
    """When it began, business time."""
    booking_id: UUID | None = None


class ImportTrainings(Payload):
    """A file of trainings is to be worked through, from where it stands."""

    type_name: ClassVar[str] = "coach.import_trainings"

    import_id: UUID


class OfGoal(Payload):
    """Something happened to a goal of a lead's."""

    lead_id: UUID
    goal_id: UUID


class GoalSet(OfGoal):
    """A lead has a new goal."""

    type_name: ClassVar[str] = "goal.set"


class GoalChanged(OfGoal):
    """A goal is another by now: its target, deadline, progress or milestones."""

    type_name: ClassVar[str] = "goal.changed"


class GoalReached(OfGoal):
    """A goal is reached."""

    type_name: ClassVar[str] = "goal.reached"


class GoalDropped(OfGoal):
    """A goal is given up."""

    type_name: ClassVar[str] = "goal.dropped"


class MilestoneCompleted(OfGoal):
    """A step on the way to a goal is done."""

    type_name: ClassVar[str] = "goal.milestone_completed"

    milestone_id: UUID


TOLD = (GoalSet, GoalChanged, GoalReached, GoalDropped, MilestoneCompleted)
"""What is recorded for whoever wants to know it; nobody here works on it."""
