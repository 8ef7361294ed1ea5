"""Becomes a program that does not outlive its parent. Usage: `python child.py --parent-pid N -- program arguments...`.

What belongs here: the step between being started and being the program. It is a program of its own because the
step may not be taken between fork and exec of a process with threads. It imports nothing of ours, and is run by its
path in isolated mode, so that it costs a few milliseconds only.

The system sends the signal when the thread that started us ends, not only when the whole parent does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Tie our life to the parent's, then become the program; only a failure returns, with its exit code."""
    if len(arguments) < 4 or arguments[0] != "--parent-pid" or arguments[2] != "--":
        print("usage: child.py --parent-pid N -- program arguments...", file=sys.stderr)
        return 2
    parent, program = int(arguments[1]), arguments[3:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        print(f"prctl: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        return 1
    if os.getppid() != parent:  # it died before the line above
        return 1
    # Python ignores these two, and what is ignored stays ignored in the program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvp(program[0], program)  # noqa: S606 - that is its purpose
    except OSError as error:
        print(f"{program[0]}: {error.strerror}", file=sys.stderr)
    return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
