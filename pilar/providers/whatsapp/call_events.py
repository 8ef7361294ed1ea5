"""What Meta's webhooks say of calls. What belongs here: the shape; `deliveries.py` reads it out of a delivery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Call:
    """Somebody rang a number, or was rung from it.

    Attributes:
        account_id: Meta's id of the account (WABA).
        phone_number_id: Meta's id of the number.
        id: Meta's id of the call (wacid).
        sender: the person's WhatsApp id, or their business-scoped user id where Meta keeps the number to itself.
        sender_phone: their number in E.164, where it is known.
        sender_name: as in their profile.
        sender_user_id: their business-scoped user id, where it is told.
        is_theirs: they rang; else the business did.
        state: ringing, completed or failed.
        at: when this was so, by Meta's clock.
        began_at: when they began to talk; None: they have not, or it is not told.
        seconds: how long they talked.
    """

    account_id: str
    phone_number_id: str
    id: str
    sender: str
    sender_phone: str | None
    sender_name: str | None
    sender_user_id: str | None
    is_theirs: bool
    state: str
    at: datetime
    began_at: datetime | None
    seconds: int | None
