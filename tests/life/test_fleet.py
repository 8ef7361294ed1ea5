"""A fleet lives for a day beside a demonstration that stays up, and all that was played is taken in.

Every program is a process of its own, so this is what somebody at a terminal would do.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from provider_sandbox.clock import SETTING, from_text
from provider_sandbox.state import FILE_NAME

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PATIENCE = 420
UP = "It stays up until Ctrl-C."
RUN = ("--studios", "2", "--days", "1", "--seed", "44")


def _start(*words: str, home: Path, said: Path) -> subprocess.Popen[bytes]:
    with said.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "pilar_cli.main", *words],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT if said.suffix == ".log" else subprocess.PIPE,
            env=os.environ | {"PILAR_HOME": str(home), "PYTHONPATH": str(ROOT)},
        )


def _until(happened: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert process.poll() is None, f"it ended before {what}"
        assert time.monotonic() < deadline, f"it never happened: {what}"
        threading.Event().wait(0.2)  # between two looks


@pytest.fixture
def demonstration(tmp_path: Path) -> Iterator[Path]:
    """The home of a demonstration whose story is told, and which stays up."""
    home, said = tmp_path / "home", tmp_path / "demo.log"
    process = _start("demo", "--studios", "1", home=home, said=said)
    try:
        _until(lambda: UP in said.read_text(), process, f"its story was told: {said.read_text()}")
        yield home
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        if process.poll() is None:
            process.kill()


def _ask(home: Path, path: str) -> Any:
    port = json.loads((home / "ports.json").read_text())["sandbox"]
    return httpx.get(f"http://127.0.0.1:{port}/control/{path}", trust_env=False, timeout=30).json()


def test_a_fleet_lives_for_a_day_and_a_killed_run_is_put_right(demonstration: Path, tmp_path: Path) -> None:
    out = tmp_path / "fleet.json"
    process = _start("sandbox", "fleet", *RUN, "--json", home=demonstration, said=out)
    _, progress = process.communicate(timeout=PATIENCE)
    told = json.loads(out.read_text())
    assert told["complete"], (told["taken_in"], told["refused"], told["unready"], progress.decode())
    assert process.returncode == 0
    assert b"Day 1 of 1 is over" in progress
    assert told["active"] == told["played"]["studio_signed_up"] == 2
    assert told["played"]["lead_wrote"] > 0
    assert told["life"]["replies"] > 0
    assert {one["provider"] for one in told["deliveries"]} == {"stripe", "twilio", "whatsapp"}
    assert [one for one in told["effects"] if not one["agree"]] == []

    before = len(_ask(demonstration, "objects/stripe.subscription"))
    said = tmp_path / "killed.log"
    many = ("--studios", "30", "--days", "4", "--seed", "7")
    process = _start("sandbox", "fleet", *many, home=demonstration, said=said)
    _until(lambda: len(_ask(demonstration, "objects/stripe.subscription")) > before, process, "somebody signed up")
    process.kill()
    process.wait()
    ended = subprocess.run(
        [sys.executable, "-m", "pilar_cli.main", "sandbox", "fleet", "--end"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PILAR_HOME": str(demonstration), "PYTHONPATH": str(ROOT)},
    )
    assert "at the pace of real time" in ended.stdout
    with closing(sqlite3.connect(demonstration / "sandbox" / FILE_NAME)) as state:
        (kept,) = state.execute("select value from setting where name = ?", (SETTING,)).fetchone()
    assert from_text(kept).rate == 1.0
