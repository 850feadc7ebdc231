"""Loopback ports for the stores, kept out of the way of everyone else's."""

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
FIRST = 10_000
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def bind_error(port: int) -> OSError | None:
    """Why nobody can listen on `port` of this machine's loopback now, None when one can."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError as error:
            return error
    return None


def pick_free() -> int:
    """A port below those the kernel hands out by itself, so that nobody is given it meanwhile.

    Random, so that two stacks that start together do not try the same one.
    """
    last = int(EPHEMERAL_RANGE.read_text().split()[0]) if EPHEMERAL_RANGE.exists() else 32_768
    candidates = random.sample(range(FIRST, max(last, FIRST + 1000)), 200)
    return next(port for port in candidates if bind_error(port) is None)
