"""Ports for the stores, and the one that the service is reached at."""

import socket

import pytest
from granian._granian import ListenerSpec

from embedded import ports
from embedded.__main__ import _held_port
from embedded.supervision.console import Console
from embedded.supervision.processes import StackError
from embedded.supervision.supervisor import Supervisor


def test_a_free_port_is_outside_the_kernels_own_range() -> None:
    first = int(ports.EPHEMERAL_RANGE.read_text().split()[0])
    picked = [ports.pick_free() for _ in range(50)]
    assert min(picked) >= ports.FIRST
    assert max(picked) < max(first, ports.FIRST + 1_000)


def test_a_port_that_is_held_is_taken_for_all_but_the_web_server() -> None:
    port = ports.pick_free()
    with ports.held(port):
        assert ports.bind_error(port) is not None
        ListenerSpec(ports.HOST, port, 128).build()


def test_a_second_stack_is_refused_before_the_first_one_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes half a minute until the first one listens."""
    port = ports.pick_free()
    monkeypatch.setenv("PORT", str(port))
    first = Supervisor(Console())
    assert _held_port(first) == port
    with pytest.raises(StackError, match=f"PORT={port} cannot be used: Address already in use"):
        _held_port(Supervisor(Console()))
    first._stack.close()
    assert ports.bind_error(port) is None


def test_a_port_where_another_program_has_just_closed_connections_is_held() -> None:
    port = ports.pick_free()
    with socket.create_server((ports.HOST, port)) as server:
        client = socket.create_connection((ports.HOST, port))
        server.accept()[0].close()
        client.close()
    with ports.held(port):
        ListenerSpec(ports.HOST, port, 128).build()
