"""An active studio whose agent answers. What belongs here: making it and looking at it; no assertions."""

from __future__ import annotations

import pytest

from tests.fixtures.opened import Studio


@pytest.fixture
def studio(opened_studio: Studio) -> Studio:
    """A studio that is open, in the morning."""
    return opened_studio
