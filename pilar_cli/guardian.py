"""Ends the programs of a supervisor that was killed. Usage: `python -m pilar_cli.guardian RUN_DIRECTORY GRACE_SECONDS`.

What belongs here: waiting for the supervisor's end, which shows as the end of standard input, and then ending what
its records name. A supervisor that stops in order leaves no record. The guardian holds the supervisor's lock
too, so that a new one can't start in the midst of this.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pilar_cli.sessions import end_recorded


def main(directory: Path, grace_seconds: float) -> None:
    """Block until nobody holds the other end of standard input, then clear up."""
    sys.stdin.buffer.read()
    end_recorded(directory, grace_seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
