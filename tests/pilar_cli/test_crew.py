from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilar.errors import Transient
from pilar_cli.crew import Crew, Interrupted, stop_signals
from pilar_cli.processes import ProcessSpec, Supervisor


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "home", "pilar test", grace_seconds=0.3) as one:
        yield one


def touching(tmp_path: Path, name: str, then: str = "sleep 600") -> ProcessSpec:
    """A program that is ready once its file is there, and notes when it was started."""
    script = f"echo {name} >> order; touch {name}; {then}"
    return ProcessSpec(name, ["sh", "-c", script], cwd=tmp_path, ready=(tmp_path / name).exists, ready_timeout=20)


def watched(crew: Crew, stop: threading.Event, work: object, reports: list[str]) -> list[BaseException]:
    """Do something in a thread while the programs are watched."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            raised.append(error)
        stop.set()

    thread = threading.Thread(target=run)
    thread.start()
    crew.watch(reports.append)
    thread.join()
    return raised


def test_the_others_are_started_once_the_first_are_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    stop = threading.Event()
    crew = Crew(supervisor, [touching(tmp_path, "web")], [touching(tmp_path, "dagster")], stop)
    crew.start()

    def work() -> None:
        crew.go_on()
        crew.wait_ready("dagster")

    assert watched(crew, stop, work, []) == []
    assert (tmp_path / "order").read_text().split() == ["web", "dagster"]


def test_a_program_that_crashes_is_started_again_and_that_is_told(supervisor: Supervisor, tmp_path: Path) -> None:
    stop = threading.Event()
    script = "if [ -e once ]; then touch twice; sleep 600; else touch once; exit 7; fi"
    spec = ProcessSpec("web", ["sh", "-c", script], cwd=tmp_path, ready=(tmp_path / "twice").exists, ready_timeout=20)
    crew = Crew(supervisor, [spec], [], stop)
    crew.start()
    reports: list[str] = []
    assert watched(crew, stop, crew.go_on, reports) == []
    (report,) = reports
    assert "web ended with code 7, and is started again in 0.25 s" in report


def test_one_that_never_gets_ready_is_told_with_its_last_words(supervisor: Supervisor, tmp_path: Path) -> None:
    stop = threading.Event()
    spec = ProcessSpec("web", ["sh", "-c", "echo no luck; sleep 600"], ready=lambda: False, ready_timeout=0.5)
    crew = Crew(supervisor, [spec], [], stop)
    crew.start()
    (error,) = watched(crew, stop, crew.go_on, [])
    assert isinstance(error, Transient)
    assert "no luck" in error.message


def test_who_wants_to_stop_does_not_have_to_wait(supervisor: Supervisor, tmp_path: Path) -> None:
    stop = threading.Event()
    crew = Crew(supervisor, [ProcessSpec("web", ["sleep", "600"], ready=lambda: False)], [], stop)
    crew.start()
    stop.set()
    with pytest.raises(Interrupted):
        crew.go_on()
    with pytest.raises(Interrupted):
        crew.start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_to_stop_and_tears_nothing_apart(number: signal.Signals) -> None:
    former = signal.getsignal(number)
    with stop_signals() as stop:
        os.kill(os.getpid(), number)
        assert stop.wait(5)
    assert signal.getsignal(number) is former
