"""What is kept between two runs. What belongs here: small JSON files in the home, readable by their owner only."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pilar.errors import NotConfigured
from pilar_cli.ports import ReservedPorts

Value = TypeVar("Value")

SECRETS = "secrets.json"
PORTS = "ports.json"


def read(path: Path) -> dict[str, Any]:
    """A kept object; an empty one if nothing was kept.

    Raises:
        NotConfigured: it belongs to somebody else, or is no such file.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except PermissionError:
        raise NotConfigured(f"{path} belongs to another user: run as that user, or set PILAR_HOME.") from None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise NotConfigured(f"{path} can't be read as JSON: repair it, or remove it to begin anew.")
    return content


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Keep an object; the file is the former one or this one at any moment."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def secret(home: Path, name: str, make: Callable[[], Value]) -> tuple[Value, bool]:
    """The secret kept under a name, made if there is none; and whether it is new."""
    kept = read(home / SECRETS)
    is_new = name not in kept
    if is_new:
        write(home / SECRETS, kept | {name: make()})
    value: Value = read(home / SECRETS)[name]
    return value, is_new


def replace_secret(home: Path, name: str, value: Value) -> Value:
    """Keep another secret under a name, and return it."""
    write(home / SECRETS, read(home / SECRETS) | {name: value})
    return value


def choose_ports(
    home: Path, reserved: ReservedPorts, usual: Mapping[str, int], *, wanted: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """A free port for each name, and remember them.

    Args:
        home: where they are remembered.
        reserved: keeps others from them.
        usual: the port of each name, where nothing else is known.
        wanted: what somebody asks for this time.

    Returns:
        For each name the port that it gets, and the one that it would have got were that free: the one that is
        asked for, else that of last time, else the usual one.
    """
    remembered = read(home / PORTS)
    preferred = {name: wanted.get(name) or remembered.get(name) or port for name, port in usual.items()}
    chosen = {name: (reserved.take(port), port) for name, port in preferred.items()}
    write(home / PORTS, remembered | {name: port for name, (port, _) in chosen.items()})
    return chosen
