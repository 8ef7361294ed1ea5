from __future__ import annotations

import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest

from pilar.errors import NotConfigured
from pilar_cli import kept
from pilar_cli.ports import LOOPBACK, ReservedPorts, free_port


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    made = iter(["first", "second"])
    assert kept.secret(tmp_path, "key", lambda: next(made)) == ("first", True)
    assert kept.secret(tmp_path, "key", lambda: next(made)) == ("first", False)
    assert kept.secret(tmp_path, "other", lambda: {"a": "b"}) == ({"a": "b"}, True)
    assert kept.secret(tmp_path, "key", lambda: next(made)) == ("first", False)
    assert stat.S_IMODE((tmp_path / kept.SECRETS).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_torn_file_is_told_in_words_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / kept.SECRETS
    path.write_text(content)
    with pytest.raises(NotConfigured, match="repair it"):
        kept.secret(tmp_path, "key", lambda: "new")
    assert path.read_text() == content


def choose(home: Path, usual: dict[str, int], **wanted: int) -> dict[str, int]:
    with ReservedPorts() as reserved:
        return {name: port for name, (port, _) in kept.choose_ports(home, reserved, usual, wanted=wanted).items()}


def test_the_ports_of_last_time_are_taken_again(tmp_path: Path) -> None:
    usual, asked_for = free_port(None), free_port(None)
    assert choose(tmp_path, {"web": usual}) == {"web": usual}
    assert choose(tmp_path, {"web": usual}, web=asked_for) == {"web": asked_for}
    assert choose(tmp_path, {"web": usual}) == {"web": asked_for}


def test_a_taken_port_is_passed_over_and_the_preferred_one_is_told(tmp_path: Path) -> None:
    with closing(socket.create_server((LOOPBACK, 0))) as server, ReservedPorts() as reserved:
        busy = server.getsockname()[1]
        ((port, preferred),) = kept.choose_ports(tmp_path, reserved, {"web": busy}, wanted={}).values()
    assert port != busy == preferred


def test_two_names_never_get_one_port_nor_do_two_systems(tmp_path: Path) -> None:
    usual = free_port(None)
    with ReservedPorts() as reserved, ReservedPorts() as others:
        chosen = kept.choose_ports(tmp_path, reserved, {"a": usual, "b": usual}, wanted={})
        ports = [port for port, _ in chosen.values()] + [others.take(usual)]
    assert len(set(ports)) == 3
    with ReservedPorts() as afterwards:
        assert afterwards.take(ports[0]) == ports[0]
