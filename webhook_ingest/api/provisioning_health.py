"""How provisioning goes. What belongs here: the shape of the answer; the figures are the operator's."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field

from pilar.database.engine import Scope
from pilar.operator.provisioning_health import DAYS, provisioning_health
from webhook_ingest.deps import System


class SignupDay(BaseModel):
    """The signups of a day (UTC) and how they stand; `stuck` until somebody acts."""

    day: date
    signups: int
    opened: int
    running: int
    waiting: int
    stuck: int
    taken_back: int


class StepTimes(BaseModel):
    """How long a step takes, in seconds of business time; `wait` is the part in which it waited on others."""

    step: str
    title: str
    completed: int
    waited: int
    total_p50: float | None
    total_p95: float | None
    work_p50: float | None
    work_p95: float | None
    wait_p50: float | None
    wait_p95: float | None


class PartyAges(BaseModel):
    """How many studios wait on a party, by age in business time; `in_vain` are given up until somebody acts."""

    waits_on: str
    waiting: int
    in_vain: int
    under_a_day: int
    under_three_days: int
    under_a_week: int
    longer: int
    oldest_at: datetime | None


class Health(BaseModel):
    """How provisioning goes, as Dagster has counted it last."""

    as_of: datetime | None = Field(description="Business time of the counting; null: there was none yet.")
    last_days: int = Field(description="The signups of so many days are counted.")
    signups: int
    opened: int
    running: int
    waiting: int
    stuck: int
    taken_back: int
    success_rate: float | None = Field(description="Of the signups that have come to an end, the share that opened.")
    whole: StepTimes | None = Field(description="From the payment to the opening.")
    steps: list[StepTimes]
    parties: list[PartyAges]
    days: list[SignupDay]


def health(app: System) -> Health:
    """How many signups have opened, how long each step takes, and who waits on whom."""
    with app.database.transaction(Scope.analyst()) as connection:
        found = provisioning_health(connection, app.clocks.business.now())
    return Health.model_validate({**vars(found), "last_days": DAYS}, from_attributes=True)
