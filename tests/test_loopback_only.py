from __future__ import annotations

import socket

import pytest

from tests.conftest import OutsideAddress


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.org", 443), ("10.0.0.1", 5432)])
def test_a_test_can_not_reach_another_machine(address: tuple[str, int]) -> None:
    with socket.socket() as one, pytest.raises(OutsideAddress):
        one.connect(address)
    with socket.socket() as one, pytest.raises(OutsideAddress):
        one.connect_ex(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost"])
def test_a_test_can_reach_its_own_machine(host: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server, socket.socket() as one:
        one.connect((host, server.getsockname()[1]))
