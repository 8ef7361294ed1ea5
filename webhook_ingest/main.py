"""The entry for a server: `uvicorn --factory webhook_ingest.main:app`. What belongs here: settings to service."""

from __future__ import annotations

from fastapi import FastAPI

from pilar.app import build_app
from pilar.settings import Settings
from webhook_ingest.app import create_app
from webhook_ingest.logs import configure_logging


def app() -> FastAPI:
    """The web service as the environment describes it."""
    configure_logging()
    return create_app(build_app(Settings()))
