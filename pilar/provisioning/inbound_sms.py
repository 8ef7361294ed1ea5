"""What comes to a studio's number by SMS while it is being set up: WhatsApp's verification code.

What belongs here: telling such a code apart and waking the job that waits for it. Other messages are counted.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection

from pilar.backplane.handlers import Delivery, Work
from pilar.clocks import Clocks
from pilar.crypto import SecretBox
from pilar.errors import NotFound
from pilar.providers.twilio.deliveries import fields_of
from pilar.provisioning import store
from pilar.provisioning.replacing import go_on
from pilar.provisioning.runner import wake
from pilar.workspaces import store as workspaces

# «WhatsApp code 123-456», in any language: the name, then six digits with or without a dash.
_CODE = re.compile(r"whatsapp.*?\b(\d{3})[- ]?(\d{3})\b", re.IGNORECASE | re.DOTALL)


class TwilioInbox:
    """Reads Twilio's deliveries."""

    def __init__(self, clocks: Clocks, box: SecretBox) -> None:
        self._clocks = clocks
        self._box = box

    def on_delivery(self, connection: Connection, work: Work[Delivery]) -> dict[str, Any]:
        """Keep a verification code and let the studio's job go on."""
        form = fields_of(work.content.body, work.content.headers)
        match = _CODE.search(form.get("Body", ""))
        if match is None:
            return {"skipped": "it holds no verification code"}
        integration = workspaces.find_integration(connection, "twilio", form.get("AccountSid", ""))
        if integration is None:
            return {"skipped": "the account belongs to no studio"}
        message_id = form.get("MessageSid") or work.content.external_id
        now = self._clocks.real.now()
        sealed = self._box.seal("".join(match.groups()))
        store.save_code(connection, integration.workspace_id, message_id, sealed, now)
        studio = integration.workspace_id
        if go_on(connection, self._clocks, studio, cause=f"sms:{message_id}", story=work.cause):
            return {"code": "kept", "workspace": str(studio)}
        try:
            job = store.job_of_workspace(connection, integration.workspace_id)
        except NotFound:
            return {"skipped": "the studio has no provisioning job"}
        wake(connection, self._clocks, job, cause=f"sms:{message_id}", correlation_id=job.correlation_id)
        return {"code": "kept", "workspace": str(integration.workspace_id)}
