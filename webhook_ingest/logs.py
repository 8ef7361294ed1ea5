"""Logging of the web service. What belongs here: that nothing unmasked gets into a log."""

from __future__ import annotations

import logging

from pilar.masking import MaskingFilter


def configure_logging() -> None:
    """Mask what every handler writes, and silence the server's own access log.

    The latter shows addresses as they came, with the tokens of sign-in and set-up links in them; `shell.py` writes
    a line with the route instead.
    """
    root = logging.getLogger()
    if not root.handlers:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    for logger in (root, logging.getLogger("uvicorn"), logging.getLogger("uvicorn.error")):
        for handler in logger.handlers:
            if not any(isinstance(present, MaskingFilter) for present in handler.filters):
                handler.addFilter(MaskingFilter())
    logging.getLogger("httpx").setLevel(logging.WARNING)
