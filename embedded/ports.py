"""Loopback ports for the stores, away from the ports of other programs."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
FIRST = 10_000
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def bind_error(port: int) -> OSError | None:
    """The error of listening on `port` of this machine's loopback now; None if it works."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError as error:
            return error
    return None


@contextmanager
def held(port: int) -> Iterator[None]:
    """Keep `port` of this machine's loopback from other programs. Raises OSError.

    The web server can listen on it all the same, since both set SO_REUSEPORT. This socket does not
    listen, so no connection comes to it. No child inherits it: the port is free when this process
    and the web server have ended, however they end.
    """
    with _claim(port):
        yield


def _claim(port: int) -> socket.socket:
    try:
        return _bound(port, socket.SO_REUSEPORT)
    except OSError:
        # Another program has just closed connections there. They are passed over with SO_REUSEADDR
        # alone, with which `bind_error` passes over this socket too.
        return _bound(port, socket.SO_REUSEPORT, socket.SO_REUSEADDR)


def _bound(port: int, *options: int) -> socket.socket:
    claim = socket.socket()
    try:
        for option in options:
            claim.setsockopt(socket.SOL_SOCKET, option, 1)
        claim.bind((HOST, port))
    except BaseException:
        claim.close()
        raise
    return claim


def pick_free() -> int:
    """A port below those that the kernel assigns by itself, so no other program gets it meanwhile.

    It is random, so two stacks that start together do not try the same port.
    """
    last = int(EPHEMERAL_RANGE.read_text().split()[0]) if EPHEMERAL_RANGE.exists() else 32_768
    candidates = random.sample(range(FIRST, max(last, FIRST + 1000)), 200)
    return next(port for port in candidates if bind_error(port) is None)
