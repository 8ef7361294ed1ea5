from __future__ import annotations

import socket

from pilar_cli.ports import free_port, listening


def test_the_preferred_port_is_given_if_it_is_free() -> None:
    port = free_port(None)
    assert free_port(port) == port


def test_a_neighbour_above_stands_in_for_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = free_port(port)
    assert other != port
    assert port < other <= port + 50 or port > 65000


def test_listening_is_told_from_bound_and_free() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert not listening(port)
        bound.listen()
        assert listening(port)
    assert not listening(port)
