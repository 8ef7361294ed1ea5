"""What the server itself commits. What belongs here: pgbench storing one delivery in each transaction; no service."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from sqlalchemy.engine import make_url

from benchmarks.queue.processes import Failed
from pilar.database.embedded import EmbeddedServer

BODY_BYTES = 750
"""As long as a delivery is on average."""

_SCRIPT = f"""
insert into inbox (position, id, provider, external_id, headers, body, received_at)
values (nextval('fact_position'), gen_random_uuid(), 'pgbench', gen_random_uuid()::text, '{{}}',
        decode(repeat('7b', {BODY_BYTES}), 'hex'), now());
"""
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_EXTRA_SECONDS = 60


def commits(home: Path, url: str, clients: int, seconds: int) -> float:
    """How many of them so many clients commit per second.

    Args:
        home: of the embedded server, which has the program.
        url: of a database with our tables.
        clients: connections; each sends its next transaction when the last one is durable.
        seconds: how long.

    Raises:
        Failed: pgbench did.
    """
    parts = make_url(url)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(_SCRIPT)
        script.flush()
        command = [
            *(str(EmbeddedServer(home).bin("pgbench")), "--no-vacuum", "--protocol=prepared", f"--file={script.name}"),
            *(f"--client={clients}", f"--jobs={min(clients, 2)}", f"--time={seconds}"),
            *(f"--host={parts.host}", f"--port={parts.port}", f"--username={parts.username}", str(parts.database)),
        ]
        variables = {"PGPASSWORD": str(parts.password or ""), "PGOPTIONS": "-c role=pilar_system"}
        done = subprocess.run(
            command,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=seconds + _EXTRA_SECONDS,
            check=False,
        )
    found = _RATE.search(done.stdout)
    if done.returncode != 0 or not found:
        raise Failed(f"pgbench ended with {done.returncode}. It said: {done.stderr[-1_000:]}")
    return float(found[1])
