"""Which other channels a studio writes by where WhatsApp can't reach a lead. What belongs here: choosing them, audited.

What does not: the rule that goes by the choice (`verdict_elsewhere.py`). It holds from its commit on, also for what is
queued already.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.clocks import Clocks
from pilar.errors import Invalid
from pilar.workspaces import store as workspaces
from pilar.workspaces.configuration import EmailPolicy


@dataclass(frozen=True)
class FallBacks:
    """The choice.

    Attributes:
        sms: who agreed to be written to gets an SMS.
        email: who agreed to e-mail gets that, where no SMS may go.
        reply_to: the mailbox for answers to e-mail; empty: the owner's.
        postal_address: stands at the end of each e-mail; needed for any.
    """

    sms: bool
    email: bool
    reply_to: str = ""
    postal_address: str = ""


def chosen(connection: Connection, workspace_id: UUID) -> FallBacks:
    """What a studio has chosen; raise `NotFound` where it has no configuration yet."""
    policies = workspaces.load_configuration(connection, workspace_id)[1].operator.policies
    mail = policies.email
    return FallBacks(policies.sms.fallback, mail.fallback, mail.reply_to, mail.postal_address)


def choose(connection: Connection, clocks: Clocks, workspace_id: UUID, wanted: FallBacks, *, actor: str) -> FallBacks:
    """Choose, and return what holds then.

    Args:
        connection: a transaction in the fleet's scope.
        clocks: both clocks.
        workspace_id: the studio's.
        wanted: all of the choice.
        actor: who, as in the audit log.

    Raises:
        Invalid: the mailbox is none, or e-mail is wanted without a postal address.
        NotFound: the studio has no configuration yet.
        Conflict: somebody changed it at the same moment.
    """
    version, document = workspaces.load_configuration(connection, workspace_id)
    address = wanted.postal_address.replace("\r\n", "\n")
    try:
        mail = EmailPolicy(fallback=wanted.email, reply_to=wanted.reply_to, postal_address=address)
    except ValidationError as error:
        says = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise Invalid(f"{says[:1].upper()}{says[1:].rstrip('.')}.") from error
    kept = document.operator.policies
    policies = kept.model_copy(update={"email": mail, "sms": kept.sms.model_copy(update={"fallback": wanted.sms})})
    saved = workspaces.save_configuration(
        connection,
        workspace_id,
        document.model_copy(update={"operator": document.operator.model_copy(update={"policies": policies})}),
        changed_by=actor,
        note="channels beside WhatsApp",
        now=clocks.business.now(),
        expected_version=version,
    )
    if saved != version:
        audit.record(
            connection,
            actor=actor,
            action="messaging.channels_chosen",
            subject=f"workspace:{workspace_id}",
            now=clocks.real.now(),
            workspace_id=workspace_id,
            details={"sms": wanted.sms, "email": wanted.email},
        )
    return chosen(connection, workspace_id)
