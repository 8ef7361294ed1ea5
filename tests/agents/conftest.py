"""An active studio whose agent answers. What belongs here: making it and looking at it; no assertions."""

from __future__ import annotations

import pytest

from tests.fixtures.system import System
from tests.messaging.conftest import Studio, open_studio


@pytest.fixture
def studio(system: System) -> Studio:
    """A studio that is open, in the morning."""
    return open_studio(system)
