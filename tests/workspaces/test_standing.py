"""The rule of how a studio stands: pure, and told by what Stripe says at this moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.workspaces.standing import SERVED, Paying, Standing, Terms, state_of

DAY = timedelta(days=1)
BEGUN = datetime(2026, 3, 1, tzinfo=UTC)
TERMS = Terms(grace=7 * DAY, closes_after=30 * DAY)


@pytest.mark.parametrize(
    ("paying", "days", "standing", "changes_after"),
    [
        (Paying("trialing", BEGUN), 500, Standing.TRIAL, None),
        (Paying("active", BEGUN), 500, Standing.ACTIVE, None),
        (Paying("past_due", BEGUN, owed_since=BEGUN), 0, Standing.PAST_DUE, 7),
        (Paying("past_due", BEGUN, owed_since=BEGUN), 6.99, Standing.PAST_DUE, 7),
        (Paying("past_due", BEGUN, owed_since=BEGUN), 7, Standing.SUSPENDED, 37),
        (Paying("unpaid", BEGUN), 8, Standing.SUSPENDED, 37),
        (Paying("past_due", BEGUN, owed_since=BEGUN), 37, Standing.CLOSED, None),
        (Paying("past_due", BEGUN, owed_since=BEGUN, extended_until=BEGUN + 20 * DAY), 19, Standing.PAST_DUE, 20),
        (Paying("past_due", BEGUN, owed_since=BEGUN, extended_until=BEGUN + 20 * DAY), 20, Standing.SUSPENDED, 50),
        (Paying("past_due", BEGUN, owed_since=BEGUN, extended_until=BEGUN + 2 * DAY), 3, Standing.PAST_DUE, 7),
        (Paying("canceled", BEGUN, ended_at=BEGUN + 3 * DAY), 4, Standing.CANCELLED, 33),
        (Paying("canceled", BEGUN, ended_at=BEGUN + 3 * DAY), 33, Standing.CLOSED, None),
        (Paying("paused", BEGUN), 1, Standing.SUSPENDED, 30),
        (Paying("active", BEGUN, closed_at=BEGUN + DAY), 2, Standing.CLOSED, None),
    ],
)
def test_how_a_studio_stands(paying: Paying, days: float, standing: Standing, changes_after: int | None) -> None:
    judged = state_of(paying, BEGUN + days * DAY, TERMS)
    assert judged.standing is standing
    assert judged.changes_at == (None if changes_after is None else BEGUN + changes_after * DAY)


_moments = st.integers(min_value=0, max_value=120).map(lambda days: BEGUN + days * DAY)
_statuses = st.sampled_from(
    ["trialing", "active", "past_due", "unpaid", "paused", "incomplete", "canceled", "incomplete_expired", "new"]
)


@given(
    paying=st.builds(
        Paying, _statuses, st.just(BEGUN), owed_since=st.none() | _moments, ended_at=st.none() | _moments,
        extended_until=st.none() | _moments,
    ),
    now=_moments,
)  # fmt: skip
def test_it_changes_when_it_said_it_would_and_not_before(paying: Paying, now: datetime) -> None:
    judged = state_of(paying, now, TERMS)
    if judged.changes_at is None:
        assert state_of(paying, now + 1_000 * DAY, TERMS).standing is judged.standing
        return
    assert judged.changes_at > now
    assert state_of(paying, judged.changes_at - timedelta(seconds=1), TERMS).standing is judged.standing
    after = state_of(paying, judged.changes_at, TERMS).standing
    assert after not in SERVED | {judged.standing}
