"""The entry for a server: `uvicorn --factory webhook_ingest.main:app`. What belongs here: settings to service."""

from __future__ import annotations

import gc

from fastapi import FastAPI

from pilar.app import build_app
from pilar.settings import Settings
from webhook_ingest.app import create_app
from webhook_ingest.logs import configure_logging

_OBJECTS_BETWEEN_COLLECTIONS = 20_000


def app() -> FastAPI:
    """The web service as the environment describes it."""
    configure_logging()
    made = create_app(build_app(Settings()))
    _collect_less()
    return made


def _collect_less() -> None:
    """Leave what a process has loaded out of the search for garbage: it stays, and each search takes all else's time.

    A search through it takes a tenth of a second, in which no delivery is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
