"""Business time in the sandbox. What belongs here: how a moved clock is kept; who reads it is not.

The product's business clock can be moved, and a provider that lived in another year would close windows that the
product holds open. Due times, retries, signatures and the ages of codes stay on real time.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from pilar.clocks import ClockSetting

SETTING = "business_clock"
"""The name of the remembered value; while there is none, business time is real time."""


def as_text(setting: ClockSetting) -> str:
    """A setting as it is remembered."""
    return json.dumps([setting.real_anchor.isoformat(), setting.business_anchor.isoformat(), setting.rate])


def from_text(text: str) -> ClockSetting:
    """A setting as it was remembered."""
    real_anchor, business_anchor, rate = json.loads(text)
    return ClockSetting(datetime.fromisoformat(real_anchor), datetime.fromisoformat(business_anchor), rate)


def real_seconds(kept: str | None, left: timedelta) -> float | None:
    """How long it takes, in real seconds, until some business time has passed.

    Args:
        kept: the setting as it is remembered; None while business time is real time.
        left: the business time that is to pass; what has passed already takes no time.

    Returns:
        None where it never comes, since business time stands still.
    """
    rate = from_text(kept).rate if kept else 1.0
    seconds = max(left.total_seconds(), 0.0)
    return seconds / rate if rate else None
