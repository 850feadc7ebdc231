"""Cancels queries whose client has gone."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from embedded.gateway.engine import Engine

_INTERVAL_SECONDS = 0.5


class DisconnectWatch:
    """Checks the sockets of running queries twice a second and kills queries without a client."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watched: dict[str, socket.socket] = {}
        threading.Thread(target=self._watch, daemon=True).start()

    @contextmanager
    def watching(self, connection: socket.socket, marker: str) -> Iterator[None]:
        """While the context lasts, a closed connection cancels the query with this marker."""
        self._watched[marker] = connection
        try:
            yield
        finally:
            self._watched.pop(marker, None)

    def _watch(self) -> None:
        while True:
            time.sleep(_INTERVAL_SECONDS)
            for marker, connection in list(self._watched.items()):
                if _is_closed(connection):
                    self._watched.pop(marker, None)
                    self._engine.kill(marker)


def _is_closed(connection: socket.socket) -> bool:
    poller = select.poll()
    try:
        poller.register(connection, select.POLLIN)
        return bool(poller.poll(0)) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):  # ValueError: closed on our side
        return True
