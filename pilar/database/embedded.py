"""The embedded PostgreSQL: the server that is used when no other is named. What belongs here: its life cycle.

What does not: where its files lie and as whom it runs (`server_files.py`), which processes are its own
(`server_processes.py`), and everything inside the databases.

The programs come from a wheel; its own Python handle is not used, because it leaves servers behind and hands out
dead ones after a crash. The server listens on loopback only, with a password, in a session of its own: an
interrupt typed at the terminal does not reach it, whoever started it stops it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from pilar.database.server_files import (
    MAJOR,
    Account,
    Record,
    account_for,
    exclusive,
    make_home,
    place_for_data,
    programs_for,
)
from pilar.database.server_processes import POLL_SECONDS, clear, postmaster
from pilar.errors import NotConfigured, NotFound, Transient

OWNER = "pilar_owner"
HOST = "127.0.0.1"

_START_SECONDS = 60
_STOP_SECONDS = 30
_LOCK_SECONDS = 150
_LOG_BYTES = 16 * 1024 * 1024

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_DURABLE = {"shared_buffers": "256MB"}
_THROWAWAY = {"shared_buffers": "128MB", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_HASTY = ["--no-sync", "--set=scram_iterations=1"]
"""How a throwaway server is made. Its password is no secret worth 4,096 rounds of hashing at every connection."""


@dataclass(frozen=True)
class ServerHandle:
    """A server that answered a moment ago."""

    url: str = field(repr=False)
    port: int
    started_here: bool
    """False if it ran already: then somebody else is going to stop it."""


@dataclass(frozen=True)
class ServerStatus:
    """What is known of a server without asking it."""

    running: bool
    pid: int | None
    port: int | None
    data: Path
    log: Path


class EmbeddedServer:
    """The one server of a home directory."""

    def __init__(self, home: Path) -> None:
        self.home = home.expanduser().absolute()
        self.log = self.home / "logs" / "postgres.log"
        self._place = self.home / "postgres"
        self._record_path = self.home / "postgres.json"
        self._lock_path = self.home / "postgres.lock"

    def start(self, *, durable: bool = True) -> ServerHandle:
        """Start the server, or join the one that runs; return when it answers a query.

        Args:
            durable: False trades the safety of the data for speed, for tests. A server that runs stays as it is.

        Raises:
            NotConfigured: it can't run here as things are; the message says what to do.
            Transient: it is not up in time; the message names its log.
        """
        make_home(self.home)
        with exclusive(self._lock_path, _LOCK_SECONDS):
            record = Record.load(self._record_path)
            data = self._data()
            if postmaster(data):
                if record is None:
                    raise NotConfigured(f"A server runs from {data}, but {self._record_path} is gone: stop it first.")
                port = self._answer(data, record.password)
                if port is not None:
                    return ServerHandle(_url(record.password, port), port, started_here=False)
            data, record = self._prepare(record, durable=durable)
            self._launch(data, record, durable=durable)
            port = self._answer(data, record.password)
            if port is None:
                raise Transient(f"PostgreSQL stopped right after its start: {self._last_words(0)} (log: {self.log})")
            return ServerHandle(_url(record.password, port), port, started_here=True)

    def stop(self) -> bool:
        """Stop the server that runs from this data directory and wait until it is gone.

        Returns:
            Whether one was running.

        Raises:
            Transient: it survived every signal.
        """
        if not self.home.is_dir():
            return False
        with exclusive(self._lock_path, _LOCK_SECONDS):
            return self._stop(self._data())

    def remove(self) -> None:
        """Stop the server and delete its data, its password and its log."""
        if not self.home.is_dir():
            return
        with exclusive(self._lock_path, _LOCK_SECONDS):
            data = self._data()
            self._stop(data)
            for path in (data, *data.parent.glob("postgres.new-*")):
                if path.exists():
                    shutil.rmtree(path)
            if self._place.is_symlink():
                self._place.unlink()
                if not any(data.parent.iterdir()):
                    data.parent.rmdir()
            for path in (self._record_path, self.log, self.log.with_suffix(".log.1")):
                path.unlink(missing_ok=True)

    def status(self) -> ServerStatus:
        """Whether it runs, and where."""
        data = self._data()
        pid, port = postmaster(data) or (None, None)
        return ServerStatus(pid is not None, pid, port, data, self.log)

    def bin(self, name: str) -> Path:
        """The path of one of the server's programs, such as `pg_dump` or `pgbench`.

        Raises:
            NotFound: there is no such program.
        """
        path = programs_for(account_for(self._data())) / name
        if not path.is_file():
            raise NotFound(f"The embedded PostgreSQL has no program {name}.")
        return path

    def _data(self) -> Path:
        """Where the data lies or would lie: the place in the home, or what it links to."""
        return self._place.resolve()

    def _stop(self, data: Path) -> bool:
        if postmaster(data) is None:
            clear(data)
            return False
        account = account_for(data)
        for mode in ("fast", "immediate"):
            command = ["pg_ctl", "stop", "--wait", f"--timeout={_STOP_SECONDS}", f"--mode={mode}"]
            if self._run(account, data, command).returncode == 0:
                break
        clear(data)
        return True

    # Before the start

    def _prepare(self, record: Record | None, *, durable: bool) -> tuple[Path, Record]:
        """Bring the data directory into a state from which the server starts."""
        forgotten = record is None
        record = record or Record(secrets.token_urlsafe(32))
        data = self._data()
        account = account_for(data)
        if self._place.is_symlink() and not data.exists():
            raise NotConfigured(
                f"The database was in {data}, which is gone: restore it, "
                f"or remove {self._place} to begin with an empty one."
            )
        if account and data.exists() and not account.reaches(data.parent):
            raise NotConfigured(
                f"PostgreSQL runs as the user {account.name}, who can't reach {data}: let others traverse its parents."
            )
        clear(data)
        if _is_empty(data):
            record.save(self._record_path)
            data = place_for_data(self.home, account)
            self._initialise(data, account, record.password, durable=durable)
            if data != self._place:
                if self._place.exists():
                    self._place.rmdir()
                self._place.symlink_to(data)
        elif not (data / "global" / "pg_control").exists():
            raise NotConfigured(f"{data} is not a complete data directory: move it away to begin with an empty one.")
        else:
            version = (data / "PG_VERSION").read_text().strip()
            if version != MAJOR:
                raise NotConfigured(
                    f"The database in {data} is of PostgreSQL {version} and this is {MAJOR}: "
                    "dump it with the old version, move it away and load it into the new one."
                )
            if forgotten:
                self._reset_password(data, account, record.password)
        return data, replace(record, data=str(data))

    def _initialise(self, data: Path, account: Account | None, password: str, *, durable: bool) -> None:
        """Make the data directory beside its place and move it there complete: a killed attempt leaves no half one."""
        for leftover in data.parent.glob("postgres.new-*"):
            shutil.rmtree(leftover)
        draft = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=data.parent))
        secret = draft / "password"
        secret.write_text(password)
        secret.chmod(0o600)
        if account:
            for path in (secret, draft):
                os.chown(path, account.uid, account.gid)
        command = [
            "initdb",
            f"--username={OWNER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *([] if durable else _HASTY),
        ]
        done = self._run(account, draft / "data", command)
        if done.returncode != 0:
            raise NotConfigured(f"initdb could not make a database in {data.parent}: {_last_line(done.stdout)}")
        (draft / "data").rename(data)
        shutil.rmtree(draft)

    def _reset_password(self, data: Path, account: Account | None, password: str) -> None:
        """Give the owner a new password in single-user mode, where none is asked for."""
        done = self._run(
            account,
            data,
            ["postgres", "--single", "-D", str(data), "postgres"],
            said=f"alter role {OWNER} password '{password}'\n",
        )
        if done.returncode != 0:
            raise NotConfigured(f"The password of the database in {data} can't be renewed: {_last_line(done.stdout)}")

    # The start

    def _launch(self, data: Path, record: Record, *, durable: bool) -> None:
        """Have the postmaster started, on another port if the remembered one is taken meanwhile."""
        account = account_for(data)
        began = time.monotonic()
        taken: int | None = None
        while True:
            port = _free_port(None if record.port == taken else record.port)
            record = replace(record, port=port)
            record.save(self._record_path)
            settings = _SETTINGS | (_DURABLE if durable else _THROWAWAY) | {"port": str(port)}
            options = " ".join(f"-c {name}={value}" for name, value in settings.items())
            said_before = self._open_log()
            command = ["pg_ctl", "start", "--wait", f"--timeout={_START_SECONDS}", f"--options={options}"]
            with self.log.open("ab") as log:
                done = self._run(account, data, command, output=log.fileno())
            if done.returncode == 0:
                return
            said = self._said(said_before)
            if postmaster(data):
                raise Transient(f"PostgreSQL is still recovering after {_START_SECONDS} seconds (log: {self.log})")
            if time.monotonic() - began > _START_SECONDS:
                raise Transient(f"PostgreSQL does not start: {self._last_words(said_before)} (log: {self.log})")
            if "could not create any TCP/IP sockets" in said:
                taken = port
            elif "pre-existing shared memory block" in said or 'lock file "postmaster.pid"' in said:
                clear(data)
                time.sleep(POLL_SECONDS)
            else:
                raise NotConfigured(f"PostgreSQL does not start: {self._last_words(said_before)} (log: {self.log})")

    def _answer(self, data: Path, password: str) -> int | None:
        """Wait until the server answers a query; return its port, or None if it ends while we wait."""
        deadline = time.monotonic() + _START_SECONDS
        while running := postmaster(data):
            _, port = running
            try:
                with closing(psycopg.connect(_url(password, port), connect_timeout=5)) as connection:
                    connection.execute("select 1")
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise NotConfigured(
                        f"The server in {data} refuses the password in {self._record_path}: "
                        "stop the server and remove that file, a new password is set then."
                    ) from error
                if time.monotonic() > deadline:
                    raise Transient(f"PostgreSQL on port {port} does not answer: {error} (log: {self.log})") from error
                time.sleep(POLL_SECONDS)
            else:
                return port
        return None

    def _run(
        self,
        account: Account | None,
        data: Path,
        command: list[str],
        *,
        output: int = subprocess.PIPE,
        said: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the server as its account, in a session of its own.

        The environment is made anew: the server has no business with our keys, and `PGDATA` needs no quoting in
        the shell line that `pg_ctl` puts together, as its option `-D` would.
        """
        program, *arguments = command
        try:
            return subprocess.run(  # noqa: S603 - our own programs with our own arguments
                [str(programs_for(account) / program), *arguments],
                check=False,
                text=True,
                input=said,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                umask=0o077,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "PGDATA": str(data)},
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except OSError as error:
            who = f" as user {account.name}" if account else ""
            raise NotConfigured(
                f"{program} can't be run{who}: {error.strerror}. Name a server in PILAR_DATABASE_URL instead."
            ) from error

    # The log

    def _open_log(self) -> int:
        """Make room in the log and return its length in bytes."""
        self.log.parent.mkdir(exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.log.touch(mode=0o600)
        return self.log.stat().st_size

    def _said(self, since: int) -> str:
        with self.log.open("rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def _last_words(self, since: int) -> str:
        """The last line in which the server named a reason."""
        lines = self._said(since).splitlines()
        reasons = [line for line in lines if "FATAL" in line or "PANIC" in line or "could not" in line]
        return _last_line("\n".join(reasons or lines))


def _url(password: str, port: int) -> str:
    return f"postgresql://{OWNER}:{password}@{HOST}:{port}/postgres"


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def _is_empty(data: Path) -> bool:
    return not data.exists() or not any(data.iterdir())


def _free_port(preferred: int | None) -> int:
    """The preferred port if nobody listens on it, else one that the system picks."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            # As the server does: connections of a former server that linger are no reason to move.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Transient(f"There is no free port on {HOST}.")
