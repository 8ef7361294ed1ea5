"""An active studio with leads who write."""

from __future__ import annotations

import pytest

from tests.fixtures.opened import Studio


@pytest.fixture
def studio(opened_studio: Studio) -> Studio:
    """A studio in Utrecht that is open, at ten in the morning."""
    return opened_studio
