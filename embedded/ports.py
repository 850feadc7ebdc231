"""Loopback ports for the stores, away from the ports of other programs."""

import random
import socket
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


def pick_free() -> int:
    """A port below those that the kernel assigns by itself, so no other program gets it meanwhile.

    It is random, so two stacks that start together do not try the same port.
    """
    last = int(EPHEMERAL_RANGE.read_text().split()[0]) if EPHEMERAL_RANGE.exists() else 32_768
    candidates = random.sample(range(FIRST, max(last, FIRST + 1000)), 200)
    return next(port for port in candidates if bind_error(port) is None)
