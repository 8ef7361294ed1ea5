"""Where the peers live. What belongs here: environments of their own with stated versions, made once and kept.

The versions are those of `peers/requirements.txt` and `peers/package-lock.json`, by hash. An environment is made beside
its place and moved there complete, under a name that holds the hash of what is in it: a killed attempt leaves no half
one, and another version is another environment.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
_NODE = (22, 18)
"""The oldest Node that the peers run on."""
_NODE_OF_ITS_OWN = "24.21.0"
"""What is installed for them where the machine's is older."""
_PROCESSORS = {"x86_64": "x64", "aarch64": "arm64"}
_WITHIN = 900


class NotAvailable(RuntimeError):
    """A peer can't be had here; the message says why."""


def python(state: Path) -> Path:
    """The interpreter that has the Python peers.

    Raises:
        NotAvailable: they can't be installed.
    """
    return python_with(state, "python", PEERS / "requirements.txt")


def python_with(state: Path, name: str, pins: Path) -> Path:
    """The interpreter of an environment that has what a file pins by hash, and nothing else.

    Raises:
        NotAvailable: it can't be installed.
    """

    def make(draft: Path) -> None:
        uv = [sys.executable, "-m", "uv"]
        _run([*uv, "venv", "--quiet", "--python", sys.executable, str(draft)])
        into = ["--python", str(draft / "bin" / "python")]
        _run([*uv, "pip", "install", "--quiet", *into, "--require-hashes", "--requirement", str(pins)])

    told = pins.read_text() + platform.python_version()
    return _kept(state, name, told, make) / "bin" / "python"


def node(state: Path) -> tuple[Path, Path]:
    """The Node program for the JavaScript peers, and the directory they are installed in.

    Raises:
        NotAvailable: there is no Node, or they can't be installed.
    """
    program, npm = shutil.which("node"), shutil.which("npm")
    if not program or not npm:
        raise NotAvailable("no Node")
    found = _run([program, "--version"]).strip()
    is_new_enough = tuple(int(part) for part in found.removeprefix("v").split(".")[:2]) >= _NODE
    machine = platform.machine()
    package = f"node-{platform.system().lower()}-{_PROCESSORS.get(machine, machine)}"
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]

    def make(draft: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PEERS / name, draft / name)
        # The Node that comes with the machine may be too old for the peers, and is good enough to install them.
        _run([npm, "ci", "--engine-strict=false", *quiet], draft)
        if not is_new_enough:
            _run([npm, "install", "--no-save", "--engine-strict=false", *quiet, f"{package}@{_NODE_OF_ITS_OWN}"], draft)

    told = (PEERS / "package-lock.json").read_text() + ("" if is_new_enough else package + _NODE_OF_ITS_OWN)
    place = _kept(state, "node", told, make)
    return Path(program) if is_new_enough else place / "node_modules" / package / "bin" / "node", place


def python_version_of(package: str) -> str:
    """The version of a Python peer."""
    found = re.search(rf"^{re.escape(package)}==(\S+)", (PEERS / "requirements.txt").read_text(), re.MULTILINE)
    if not found:
        raise KeyError(package)
    return found[1]


def node_version_of(package: str) -> str:
    """The version of a JavaScript peer."""
    lock = json.loads((PEERS / "package-lock.json").read_text())
    return str(lock["packages"][f"node_modules/{package}"]["version"])


def _kept(state: Path, name: str, told: str, make: Callable[[Path], None]) -> Path:
    place = state / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    if place.exists():
        return place
    state.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{name}.new-", dir=state))
    try:
        make(draft)
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return place


def _run(command: list[str], at: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=at, capture_output=True, text=True, timeout=_WITHIN, check=False)
    except subprocess.TimeoutExpired:
        raise NotAvailable(f"{command[0]} took longer than {_WITHIN} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NotAvailable(f"it can't be installed: {said[-1] if said else command}")
    return done.stdout
