"""`pilar worker`. What belongs here: running the warm worker in the foreground until a signal comes."""

from __future__ import annotations

import signal

from pilar_cli.configuration import read_settings
from pilar_cli.console import Json, answer_json


def worker(as_json: Json = False) -> None:
    """Drain work as soon as it is due, until Ctrl-C or SIGTERM; work that has begun is finished first."""
    from pilar.app import build_app
    from pilar.worker import Worker
    from webhook_ingest.logs import configure_logging

    configure_logging()
    app = build_app(read_settings())
    try:
        running = Worker(app)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: running.stop())
        running.run()
    finally:
        app.close()
    if as_json:
        answer_json({"worker": running.name, "stopped": True})
