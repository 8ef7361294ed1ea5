from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pilar.errors import Busy, Conflict, Transient
from pilar_cli.processes import ProcessSpec, Supervisor
from pilar_cli.sessions import TOKEN_VARIABLE, Record, look, members

STUBBORN = 'trap "" TERM; sleep 600 & echo "$$ $!" > pids.new; mv pids.new pids; wait'
"""A shell and its child that both ignore SIGTERM."""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "home", "pilar test", grace_seconds=0.3) as one:
        yield one


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    process = look(pid)
    return process is not None and process.alive


def shell(tmp_path: Path, script: str, name: str = "shell") -> ProcessSpec:
    return ProcessSpec(name, ["sh", "-c", script], cwd=tmp_path)


def supervisor_to_be_killed(tmp_path: Path, script: str) -> subprocess.Popen[str]:
    """A supervisor in a process of its own, with one program that has written `pids`."""
    program = (
        "import sys, time; from pathlib import Path; from pilar_cli.processes import ProcessSpec, Supervisor\n"
        "place = Path(sys.argv[1])\n"
        "one = Supervisor(place / 'home', 'pilar first', grace_seconds=0.3)\n"
        "one.start(ProcessSpec('shell', ['sh', '-c', sys.argv[2]], cwd=place, ready=(place / 'pids').exists))\n"
        "print(one._guardian.pid, flush=True); time.sleep(600)"
    )
    return subprocess.Popen([sys.executable, "-c", program, str(tmp_path), script], stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(STUBBORN, id="that ignore SIGTERM"),
        pytest.param(
            'setsid sleep 600 & echo "$$ $!" > pids.new; mv pids.new pids; wait', id="in a session of its own"
        ),
    ],
)
def test_a_killed_supervisor_leaves_no_child_and_no_grandchild(tmp_path: Path, script: str) -> None:
    first = supervisor_to_be_killed(tmp_path, script)
    first_line(first)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert all(alive(pid) for pid in pids)

    kill(first)

    until(lambda: not any(alive(pid) for pid in pids))
    until(lambda: not list((tmp_path / "home" / "run").glob("*.json")))


def test_what_a_supervisor_and_its_guardian_left_is_ended_by_the_next_one(tmp_path: Path) -> None:
    first = supervisor_to_be_killed(tmp_path, STUBBORN)
    os.kill(int(first_line(first)), signal.SIGKILL)
    kill(first)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert all(alive(pid) for pid in pids)

    second = Supervisor(tmp_path / "home", "pilar second", grace_seconds=0.3)
    assert second.claim() == ["shell"]
    assert not any(alive(pid) for pid in pids)
    second.stop_all()


def test_a_child_whose_supervisor_dies_before_it_is_the_program_does_not_become_it(tmp_path: Path) -> None:
    from pilar_cli import child

    done = subprocess.run(
        [sys.executable, child.__file__, "--parent-pid", "1", "--", "touch", str(tmp_path / "ran")], check=False
    )
    assert done.returncode == 1
    assert not (tmp_path / "ran").exists()


def test_a_number_that_is_another_processes_by_now_is_not_touched(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    run = tmp_path / "home" / "run"
    run.mkdir(parents=True)
    seen = look(stranger.pid)
    assert seen is not None
    Record("worker", ["sleep", "600"], "a token", stranger.pid, seen.start_time - 1).save(run)

    with Supervisor(tmp_path / "home", "pilar test", grace_seconds=0.3) as supervisor:
        assert not list(run.glob("*.json"))
        assert supervisor.claim() == []
        assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_records_of_nothing_and_torn_ones_are_removed(tmp_path: Path) -> None:
    run = tmp_path / "home" / "run"
    run.mkdir(parents=True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    Record("gone", ["true"], "a token", gone.pid, 1).save(run)
    (run / "torn.json").write_text('{"name": "to')
    supervisor = Supervisor(tmp_path / "home", "pilar test")

    assert supervisor.claim() == []
    assert not list(run.glob("*.json"))
    supervisor.stop_all()


def test_a_second_supervisor_is_told_who_is_first(supervisor: Supervisor) -> None:
    second = Supervisor(supervisor.home, "pilar second")
    with pytest.raises(Busy, match=rf"pilar test \(process {os.getpid()}\) is at work"):
        second.claim()
    second.stop_all()

    supervisor.stop_all()
    assert second.claim() == []
    second.stop_all()


def test_a_program_runs_in_a_session_of_its_own_with_a_record_and_a_log(supervisor: Supervisor, tmp_path: Path) -> None:
    pid = supervisor.start(
        ProcessSpec(
            "web",
            ["sh", "-c", 'echo "hello $GREETED"; echo oops >&2; exec sleep 600'],
            env={"GREETED": "studio"},
            ready=lambda: "oops" in supervisor.tail("web"),
        )
    )
    record = json.loads((supervisor.home / "run" / "web.json").read_text())
    seen = look(pid)

    assert seen is not None
    assert (record["pid"], record["start_time"], seen.session) == (pid, seen.start_time, pid)
    assert supervisor.tail("web") == "hello studio\noops"
    with pytest.raises(Conflict, match="web runs already"):
        supervisor.start(shell(tmp_path, "true", "web"))
    supervisor.stop("web")
    assert not alive(pid)
    assert not (supervisor.home / "run" / "web.json").exists()


def test_the_log_of_the_run_before_is_kept(supervisor: Supervisor, tmp_path: Path) -> None:
    for said in ("one", "two", "three"):
        supervisor.start(
            ProcessSpec("web", ["sh", "-c", f"echo {said}; exec sleep 600"], ready=lambda: supervisor.tail("web") != "")
        )
        supervisor.stop("web")
    assert supervisor.log("web").read_text() == "three\n"
    assert supervisor.log("web").with_name("web.log.1").read_text() == "two\n"


def test_stopping_asks_first_and_kills_what_does_not_listen(supervisor: Supervisor, tmp_path: Path) -> None:
    polite = 'trap "echo bye; exit 0" TERM; echo up; sleep 600 & wait'
    supervisor.start(ProcessSpec("polite", ["sh", "-c", polite], ready=lambda: supervisor.tail("polite") == "up"))
    supervisor.start(ProcessSpec("stubborn", ["sh", "-c", STUBBORN], cwd=tmp_path, ready=(tmp_path / "pids").exists))
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]

    supervisor.stop("polite")
    assert supervisor.tail("polite") == "up\nbye"
    supervisor.stop("stubborn")
    assert not any(alive(pid) for pid in pids)


def test_all_are_stopped_at_once_and_it_may_be_asked_twice(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "home", "pilar test", grace_seconds=60)
    waits = "until [ -e first -a -e second -a -e third ]; do sleep 0.01; done"
    for name in ("first", "second", "third"):
        script = f'trap "touch {name}; {waits}; echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done'
        supervisor.start(
            ProcessSpec(name, ["sh", "-c", script], cwd=tmp_path, ready=lambda name=name: supervisor.tail(name) != "")
        )
    supervisor.stop_all()
    supervisor.stop_all()
    assert [supervisor.tail(name).splitlines()[-1] for name in ("first", "second", "third")] == ["bye"] * 3


def test_a_program_that_ends_before_it_is_ready_shows_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    spec = ProcessSpec("web", ["sh", "-c", "echo no such table; exit 3"], ready=lambda: False, ready_timeout=60)
    with pytest.raises(Transient, match="web ended with code 3 before it was ready:\nno such table"):
        supervisor.start(spec)
    assert not (supervisor.home / "run" / "web.json").exists()


def test_a_program_that_does_not_exist_says_so(supervisor: Supervisor) -> None:
    with pytest.raises(Transient, match="code 127 before it was ready:\npilar-nothing: No such file"):
        supervisor.start(ProcessSpec("web", ["pilar-nothing"], ready=lambda: False))


def test_a_program_that_does_not_become_ready_is_stopped(supervisor: Supervisor, tmp_path: Path) -> None:
    def not_yet() -> bool:
        until(lambda: supervisor.tail("web") == "waiting")
        return False

    script = 'echo "$$" > pid; echo waiting; exec sleep 600'
    spec = ProcessSpec("web", ["sh", "-c", script], cwd=tmp_path, ready=not_yet, ready_timeout=0.1)
    with pytest.raises(Transient, match=r"web was not ready after 0\.1 seconds:\nwaiting"):
        supervisor.start(spec)
    assert not alive(int((tmp_path / "pid").read_text()))


def test_watching_reports_an_exit_with_the_end_of_the_log(supervisor: Supervisor, tmp_path: Path) -> None:
    done = threading.Event()
    supervisor.start(shell(tmp_path, "seq 1 30; sleep 600 & echo $! > left; exit 4", "worker"))
    report = next(supervisor.watch(done))

    assert (report.name, report.code, report.restarts_in) == ("worker", 4, None)
    assert report.log_tail.split() == [str(number) for number in range(11, 31)]
    assert not alive(int((tmp_path / "left").read_text())), "what a dead program left is ended too"
    done.set()
    assert list(supervisor.watch(done)) == []


def test_a_program_is_started_again_until_it_fails_too_often(supervisor: Supervisor, tmp_path: Path) -> None:
    done = threading.Event()
    supervisor.start(shell(tmp_path, "echo x >> runs; kill -9 $$", "worker"))
    reports = []
    for report in supervisor.watch(done, restarts_per_minute=2):
        reports.append(report)
        if report.restarts_in is None:
            done.set()

    assert [report.code for report in reports] == [-9, -9, -9]
    assert [report.restarts_in for report in reports] == [0.25, 0.5, None]
    assert (tmp_path / "runs").read_text().split() == ["x", "x", "x"]


def test_a_program_is_not_tied_to_a_passing_thread(supervisor: Supervisor, tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def attempt() -> None:
        try:
            supervisor.start(shell(tmp_path, "sleep 600"))
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


def test_members_are_told_by_the_token_when_the_leader_is_gone(tmp_path: Path) -> None:
    marked = subprocess.Popen(["sleep", "600"], env={TOKEN_VARIABLE: "this one", "PATH": os.environ["PATH"]})
    until(lambda: members(Record("worker", [], "this one")))
    assert [process.pid for process in members(Record("worker", [], "this one"))] == [marked.pid]
    assert members(Record("worker", [], "this on")) == []
    marked.kill()
    marked.wait()
