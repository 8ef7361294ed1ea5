"""The control API for tests. What belongs here: what each provider's part of `testing.RunningSandbox` builds upon."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Controlled(ABC):
    """Something that reaches the control API."""

    @abstractmethod
    def _call(self, method: str, path: str, **request: Any) -> Any:
        """Ask the control API, and raise for an error."""
