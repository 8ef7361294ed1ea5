"""A studio's credentials at a provider, encrypted at rest.

What belongs here: reading and writing them as a document. They never leave in a log, an event or an API's answer.
"""

from __future__ import annotations

import json

from pilar.crypto import SecretBox
from pilar.errors import Permanent
from pilar.workspaces.store import Integration


def seal(box: SecretBox, credentials: dict[str, str]) -> bytes:
    """Encrypt a document of credentials."""
    return box.seal(json.dumps(credentials))


def unseal(box: SecretBox, integration: Integration | None) -> dict[str, str]:
    """The credentials of an integration; raise `Permanent` where it has none."""
    if integration is None or integration.sealed_credentials is None:
        raise Permanent("This studio has no credentials at the provider yet.")
    document: dict[str, str] = json.loads(box.open(integration.sealed_credentials))
    return document
