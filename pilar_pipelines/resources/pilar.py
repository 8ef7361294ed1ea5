"""The product, as Dagster's definitions get it. What belongs here: opening it when it is first used, and closing it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

if TYPE_CHECKING:  # imported where they are used: every run pays for what is imported here
    from pilar.app import App
    from pilar.clocks import Clocks
    from pilar.database.engine import Database
    from pilar.settings import Settings


class PilarResource(dg.ConfigurableResource):
    """The system that the environment's settings describe; nothing is opened before it is asked for."""

    application_name: str = "pilar dagster"
    """How its connections are named on the server."""

    _opened: _Opened | None = PrivateAttr(default=None)

    @property
    def app(self) -> App:
        """The whole system: takes a few tens of milliseconds to put together."""
        return self._open().app

    @property
    def database(self) -> Database:
        """Its database alone, which is all that most sensors need."""
        return self._open().database

    @property
    def clocks(self) -> Clocks:
        """Its two clocks."""
        return self._open().clocks

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - as Dagster calls it
        """Give connections back after a run or a tick."""
        if self._opened:
            self._opened.close()
            self._opened = None

    def _open(self) -> _Opened:
        if self._opened is None:
            self._opened = _Opened(self.application_name)
        return self._opened


class _Opened:
    def __init__(self, application_name: str) -> None:
        self._application_name = application_name

    @cached_property
    def settings(self) -> Settings:
        from pilar.settings import Settings

        return Settings()

    @cached_property
    def database(self) -> Database:
        from pilar.database.engine import Database
        from pilar.errors import NotConfigured

        url = self.settings.database_url
        if url is None:
            raise NotConfigured("PILAR_DATABASE_URL is not set; `pilar up` starts an embedded server and sets it.")
        return Database(
            url.get_secret_value(), pool_size=self.settings.worker_threads + 4, application_name=self._application_name
        )

    @cached_property
    def clocks(self) -> Clocks:
        from pilar.database.shared_clock import shared_clocks

        return shared_clocks(self.database)

    @cached_property
    def app(self) -> App:
        from pilar.app import build_app

        return build_app(self.settings, database=self.database, clocks=self.clocks)

    def close(self) -> None:
        """Close what was opened."""
        if "app" in vars(self):
            self.app.close()
        elif "database" in vars(self):
            self.database.close()
