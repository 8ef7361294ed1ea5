"""What every test that kills has: a place of its own on the disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="pilar-chaos-"))
    made.chmod(0o711)  # where root runs the tests, the server's account has to get through
    yield made
    shutil.rmtree(made)
