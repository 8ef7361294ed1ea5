"""What health promises, as queries that return no row while the promise holds."""

from __future__ import annotations

from pilar.backplane.invariants import Invariant

INVARIANTS = (
    Invariant(
        "active_studios_are_watched",
        "Each active studio has been looked at.",
        """
        select w.workspace_id from workspace w
        where w.state = 'active' and not exists (select from health_check h where h.workspace_id = w.workspace_id)
        """,
    ),
)
