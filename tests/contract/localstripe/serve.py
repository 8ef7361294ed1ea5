"""Serve localstripe on this machine alone. What belongs here: what its own interpreter runs, outside of PILAR's.

Its own command listens on every interface and keeps its state in a file that all of a machine's users share.
"""

import asyncio

from aiohttp import web
from localstripe.resources import Store
from localstripe.server import app


async def serve() -> None:
    """Listen on a free port of the loopback interface, print it, and go on until the process is ended."""
    Store.dump_to_disk = lambda _store: None
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


asyncio.run(serve())
