"""How thorough the property tests are that need a database. What belongs here: that one number."""

from __future__ import annotations

import os

THOROUGH = "PILAR_TEST_THOROUGH"
"""Set by `make test-all`: then every example is tried, and else a third of them."""


def examples(most: int) -> int:
    """How many examples a test tries that would try so many if it had the time."""
    return most if os.environ.get(THOROUGH) else max(1, most // 3)
