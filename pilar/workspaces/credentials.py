"""A studio's credentials at a provider, encrypted at rest.

What belongs here: reading and writing them as a document. They never leave in a log, an event or an API's answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pilar.backplane import audit
from pilar.crypto import SecretBox
from pilar.errors import Invalid, NotFound, Permanent
from pilar.workspaces import store
from pilar.workspaces.store import Integration

APP_SECRET = "app_secret"  # noqa: S105 - a name
"""What Meta signs with where a studio has an app of its own; two, comma-separated, while it is rotated."""
SECONDARY_AUTH_TOKEN = "secondary_auth_token"  # noqa: S105 - a name
"""What Twilio signs with besides while a studio's account has its token rotated."""

GIVEN: Mapping[str, str] = {"whatsapp": APP_SECRET, "twilio": SECONDARY_AUTH_TOKEN}
"""Of each provider, the credential that people give; all others are made in provisioning."""


def seal(box: SecretBox, credentials: Mapping[str, str]) -> bytes:
    """Encrypt a document of credentials."""
    return box.seal(json.dumps(dict(credentials)))


def unseal(box: SecretBox, integration: Integration | None) -> dict[str, str]:
    """The credentials of an integration; raise `Permanent` where it has none."""
    if integration is None or integration.sealed_credentials is None:
        raise Permanent("This studio has no credentials at the provider yet.")
    return unsealed(box, integration.sealed_credentials)


def unsealed(box: SecretBox, sealed: bytes) -> dict[str, str]:
    """The credentials in an encrypted document."""
    document: dict[str, str] = json.loads(box.open(sealed))
    return document


def opened(box: SecretBox, integration: Integration | None) -> dict[str, str]:
    """The credentials of an integration, empty where it has none yet."""
    return unseal(box, integration) if integration is not None and integration.sealed_credentials else {}


def give(
    connection: Connection,
    box: SecretBox,
    workspace_id: UUID,
    provider: str,
    secret: str | None,
    *,
    actor: str,
    now: datetime,
) -> str:
    """Keep the credential that a studio gives for a provider's webhooks, or forget it.

    Args:
        connection: of the fleet's scope.
        box: what encrypts it.
        workspace_id: the studio.
        provider: whatsapp or twilio.
        secret: what the provider signs with; None: forget it.
        actor: who says so, for the audit log, which holds the name of the credential and never its value.
        now: real time.

    Returns:
        The credential's name.

    Raises:
        Invalid: people give no such credential, or it is empty.
        NotFound: the studio has no account at the provider yet.
    """
    name = GIVEN.get(provider)
    if name is None:
        raise Invalid(f"Credentials are given for {' and '.join(sorted(GIVEN))}; {provider!r} is neither.")
    if secret is not None and not secret.strip():
        raise Invalid("The secret is empty: give it as the provider's console shows it.")
    kept = opened(box, store.get_integration(connection, workspace_id, provider, hold=True))
    if not kept:
        raise NotFound(f"There is no studio of that id with an account at {provider}: it has to be connected first.")
    kept.pop(name, None)
    if secret is not None:
        kept[name] = secret.strip()
    store.upsert_integration(connection, workspace_id, provider, now=now, sealed_credentials=seal(box, kept))
    audit.record(
        connection,
        actor=actor,
        action="credentials.given" if secret is not None else "credentials.forgotten",
        subject=f"integration:{provider}",
        now=now,
        workspace_id=workspace_id,
        details={"which": name},
    )
    return name
