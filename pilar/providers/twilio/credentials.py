"""What calls to Twilio are made with. What belongs here: an account's API key or token, and which of them is used when.

A standard API key may do all that a studio needs and manages neither accounts nor keys
(https://www.twilio.com/docs/iam/api-keys); webhooks are signed with the account's token, whatever calls are made with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AUTH_TOKEN = "auth_token"  # noqa: S105 - a name
KEY_SID = "key_sid"
KEY_SECRET = "key_secret"  # noqa: S105 - a name
"""Of the credentials that a studio's account is kept with; the key's are missing where it has none yet."""


@dataclass(frozen=True)
class TwilioCredentials:
    """An account, and who speaks for it: its own token, or a key and its secret.

    Attributes:
        sid: the account's.
        secret: its token, or the key's secret.
        key_sid: the key's; None: `secret` is the token.
    """

    sid: str
    secret: str = field(repr=False)
    key_sid: str | None = None

    @property
    def user_name(self) -> str:
        """What a request names as its user."""
        return self.key_sid or self.sid


@dataclass(frozen=True)
class TwilioKey:
    """A key that was just made: its secret is told this once."""

    sid: str
    secret: str = field(repr=False)


def of_account(sid: str, kept: Mapping[str, str]) -> TwilioCredentials:
    """What calls within an account are made with: its key, or its token where it has no key yet.

    Args:
        sid: the account's.
        kept: its credentials, opened.
    """
    if kept.get(KEY_SID) and kept.get(KEY_SECRET):
        return TwilioCredentials(sid, kept[KEY_SECRET], kept[KEY_SID])
    return by_token(sid, kept)


def by_token(sid: str, kept: Mapping[str, str]) -> TwilioCredentials:
    """What an account's keys are made and deleted with, and what speaks for it where its key is dead.

    Args:
        sid: the account's.
        kept: its credentials, opened.
    """
    return TwilioCredentials(sid, kept[AUTH_TOKEN])
