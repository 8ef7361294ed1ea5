"""The founder's way into the demonstration. What belongs here: addresses, a one-time link, a kept password."""

from __future__ import annotations

import secrets
from uuid import UUID

from pilar.clocks import SystemClock
from pilar.database.engine import Database, Scope
from pilar.security.sessions import make_sign_in_link
from pilar.settings import Settings
from pilar.workspaces.store import owner_of
from pilar_cli import kept
from pilar_cli.founder import ACTOR, set_password, sign_in_link
from pilar_cli.ports import LOOPBACK

FOUNDER = "founder@pilar.example"


class Access:
    """Makes the founder and their ways in.

    Args:
        settings: of the running system.
        database: the product's.
        sandbox_port: the sandbox's.
    """

    def __init__(self, settings: Settings, database: Database, sandbox_port: int) -> None:
        self._settings = settings
        self._database = database
        self._sandbox = f"http://{LOOPBACK}:{sandbox_port}/"
        self._email = settings.founder_email or FOUNDER

    def new_link(self) -> str:
        """A link that signs the founder in, once; from then on the kept password does as well."""
        now = SystemClock().now()
        link = sign_in_link(self._database, self._settings.public_url, self._email, "Founder", now)
        password, _ = kept.secret(self._settings.home_path, "founder_password", lambda: secrets.token_urlsafe(12))
        set_password(self._database, self._email, password, now)
        return link

    def owner_link(self, workspace_id: UUID) -> str:
        """A link that signs a studio's owner in, once."""
        with self._database.transaction(Scope.fleet()) as connection:
            owner = owner_of(connection, workspace_id)
            token = make_sign_in_link(connection, owner.id, actor=ACTOR, now=SystemClock().now())
        return f"{self._settings.public_url}/sign-in/link/{token}"

    def ways(self) -> dict[str, str]:
        """Where to go and how to get in."""
        url = self._settings.public_url
        return {
            "overview": f"{url}/overview",
            "dagster": f"{url}/dagster/",
            "sandbox": self._sandbox,
            "be a lead": f"{self._sandbox}phones",
            "sign in": self.new_link(),
            "or as": f"{self._email}, with founder_password in {self._settings.home_path / kept.SECRETS}",
        }
