"""Somebody who looks at the pages. What belongs here: signing in, asking over and over, how long each answer took."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import httpx

from benchmarks.queue.processes import Failed
from pilar.database.engine import Database, Scope
from pilar.security import sessions
from pilar.workspaces.store import ensure_person
from webhook_ingest.guard import session_cookie

_PAUSE_SECONDS = 0.25
"""Between two pages, as of a founder in a hurry."""


def signed_in(url: str) -> dict[str, str]:
    """The cookie of a founder who has signed in."""
    now = datetime.now(UTC)
    with closing(Database(url)) as database, database.transaction(Scope.fleet()) as connection:
        person = ensure_person(
            connection, email="founder@example.com", name="Founder", phone=None, now=now, is_founder=True
        )
        link = sessions.make_sign_in_link(connection, person, actor="benchmark", now=now)
        return {session_cookie("http://"): sessions.sign_in_by_link(connection, link, now).token}


class Looking:
    """Asks for each of the pages in turn until the block ends."""

    def __init__(self, base: str, cookie: Mapping[str, str], pages: Mapping[str, str]) -> None:
        self.seconds: dict[str, list[float]] = {name: [] for name in pages}
        self._pages = pages
        self._client = httpx.Client(base_url=base, cookies=dict(cookie), timeout=30)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="looking", daemon=True)
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        for path in self._pages.values():  # the first of each page is not the burst's: templates are read then
            self._client.get(path).raise_for_status()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._client.close()
        if self._failure is not None and error is None:
            raise Failed(f"A page could not be seen: {self._failure}")

    def _look(self) -> None:
        try:
            # Each page is looked at once, however short the burst.
            while not (self._ended.is_set() and all(self.seconds.values())):
                for name, path in self._pages.items():
                    began = time.perf_counter()
                    self._client.get(path).raise_for_status()
                    self.seconds[name].append(time.perf_counter() - began)
                    self._ended.wait(_PAUSE_SECONDS)
        except httpx.HTTPError as error:
            self._failure = error
