"""The story end to end, with every program as a process of its own, and some of them killed in the middle of it.

One growing test: payments come in, studios come into being and live through a day (leads are answered and nudged, an
experiment is decided, an affiliate earns), Dagster tells it, the founder sees it. The killing hits each program at a
moment that the sandbox tells of, so that it falls into the midst of the work. What the outside world saw is counted by
the sandbox.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.slow

STUDIOS = 4
PATIENCE = 420
ONCE_PER_STUDIO = (
    "twilio.subaccount_created",
    "twilio.number_bought",
    "meta.waba_connected",
    "meta.number_added",
    "meta.number_registered",
    "meta.app_subscribed",
)
ROOT = Path(__file__).parents[2]


@dataclass
class Demo:
    """A demonstration that runs in a home of its own."""

    home: Path
    process: subprocess.Popen[str]

    def sandbox(self, path: str) -> Any:
        """Ask the sandbox's control API; None while it does not answer."""
        try:
            ports = json.loads((self.home / "ports.json").read_text())
            return httpx.get(f"http://127.0.0.1:{ports['sandbox']}/control/{path}", trust_env=False, timeout=5).json()
        except (OSError, KeyError, ValueError, httpx.HTTPError):
            return None

    def effects(self) -> dict[str, int]:
        """How often each kind of effect happened, as the sandbox counts."""
        return dict((self.sandbox("effects") or {}).get("by_kind", {}))

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait until something has happened; fail when the demonstration ends before it."""
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert self.process.poll() is None, "the demonstration ended too early"
            assert time.monotonic() < deadline, "it never happened"
            threading.Event().wait(0.1)  # between two looks

    def kill(self, name: str) -> None:
        """SIGKILL a program, as the supervisor recorded it."""
        record = json.loads((self.home / "run" / f"{name}.json").read_text())
        os.kill(record["pid"], signal.SIGKILL)

    def end(self) -> tuple[int, dict[str, Any], str]:
        """Wait for its end; its exit code, its figures, and what it said."""
        said, complained = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, json.loads(said or "{}"), complained


def _start(home: Path, *options: str) -> Demo:
    argv = [sys.executable, "-m", "pilar_cli.main", "demo", "--exit", "--json", "--home", str(home), *options]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PILAR_")}
    process = subprocess.Popen(
        argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    return Demo(home, process)


def _assert_nobody_is_left(home: Path) -> None:
    """No process has this home on its command line or in its environment."""
    left = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if str(home).encode() in (place / "cmdline").read_bytes() + (place / "environ").read_bytes():
                left.append((place / "cmdline").read_bytes().replace(b"\0", b" "))
        except OSError:
            continue  # it has ended meanwhile
    assert left == []


def _assert_the_story_was_told(code: int, figures: dict[str, Any], complained: str, studios: int) -> None:
    missing = [name for name, happened in figures["happened"].items() if not happened]
    assert code == 0, (
        f"{figures['failure']}; missing: {missing}; {figures['failed_checks']}; {figures['life']}\n{complained}"
    )
    assert all(figures["happened"].values())
    assert (figures["signups"], figures["active"]) == (studios, studios)
    assert [one for one in figures["effects"] if not one["agree"] and one["seen_as"] != "mail.sent"] == []


def test_the_story_with_kills_in_the_middle_and_once_more_after_killing_everything(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    demo = _start(home, "--studios", str(STUDIOS))
    try:
        demo.until(lambda: demo.effects().get("twilio.subaccount_created", 0) >= 1)
        demo.kill("worker")
        demo.until(lambda: demo.effects().get("meta.waba_connected", 0) >= 1)
        demo.kill("web")
        demo.until((home / "run" / "dagster-daemon.json").exists)
        demo.kill("dagster-daemon")
        # Each studio's owner got a test message; what is beyond that are answers.
        demo.until(lambda: demo.effects().get("meta.message_sent", 0) >= STUDIOS + 10)
        demo.kill("worker")
        demo.until(lambda: demo.effects().get("meta.message_sent", 0) >= STUDIOS + 40)
        demo.kill("web")
        code, figures, complained = demo.end()
    finally:
        if demo.process.poll() is None:
            demo.process.send_signal(signal.SIGTERM)
            demo.process.wait(60)
    _assert_the_story_was_told(code, figures, complained, STUDIOS)
    counts = {one["seen_as"]: one["seen"] for one in figures["effects"]}
    assert {kind: counts[kind] for kind in ONCE_PER_STUDIO} == dict.fromkeys(ONCE_PER_STUDIO, STUDIOS)
    _assert_nobody_is_left(home)

    again = _start(home, "--studios", "1")
    again.until(lambda: again.effects().get("twilio.number_bought", 0) > STUDIOS)
    again.process.kill()  # and with it, by its guardian, every program
    again.process.communicate()
    last = _start(home, "--studios", "1")
    code, figures, complained = last.end()
    _assert_the_story_was_told(code, figures, complained, 1)
    _assert_nobody_is_left(home)


def test_the_story_with_dagster_alone(tmp_path: Path) -> None:
    demo = _start(tmp_path / "home", "--studios", "2", "--no-worker")
    code, figures, complained = demo.end()
    _assert_the_story_was_told(code, figures, complained, 2)
    _assert_nobody_is_left(tmp_path)
