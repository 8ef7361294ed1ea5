"""WhatsApp's deliveries. What belongs here: telling the kinds of change in a delivery apart and counting them.

A delivery holds any number of entries and changes. Kinds that nobody here works on are counted and passed over
without failing their neighbours; the delivery itself stays in the inbox.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from sqlalchemy import Connection

from pilar.backplane.handlers import Delivery, Work
from pilar.errors import Invalid


class WhatsAppInbox:
    """Reads WhatsApp's deliveries."""

    def on_delivery(self, connection: Connection, work: Work[Delivery]) -> dict[str, Any]:  # noqa: ARG002
        """Count the changes of each kind."""
        try:
            document = json.loads(work.content.body)
        except ValueError as error:
            raise Invalid("The body is not JSON, though its signature is right.") from error
        kinds = Counter(
            str(change.get("field")) for entry in document.get("entry", []) for change in entry.get("changes", [])
        )
        return {"passed_over": dict(kinds)}
