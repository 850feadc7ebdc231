"""A door in front of a store that can be slow, shut, or break off where it hurts most."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from embedded import ports

_TEXT = b"Code: 241. Memory limit exceeded (test)\n"
_ERROR = (
    b"HTTP/1.1 500 Internal Server Error\r\nX-ClickHouse-Exception-Code: 241\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_TEXT), _TEXT)
)
SLOW_SECONDS = 0.5
# What is read from one end is passed on to the other, until there is no more.
_Way = Callable[[socket.socket, socket.socket], None]


class Mode(Enum):
    OPEN = "open"
    SLOW = "slow"  # half a second before every answer
    ERRING = "erring"  # 500 with the code of a memory limit, the request not passed on
    CUT = "cut"  # the request is passed on and carried out; nobody hears of it
    GONE = "gone"  # connections are closed at once
    HUNG = "hung"  # connections are taken, and nothing is passed on either way until it ends


class Proxy:
    """Listens on `port` of the loopback until closed; `mode` may change at any time."""

    def __init__(self, target: int) -> None:
        self.mode = Mode.OPEN
        self._target = target
        self._listener = socket.create_server((ports.HOST, ports.pick_free()), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self._wait_while_hung()
            if self.mode is Mode.GONE:
                return
            if self.mode is Mode.ERRING:
                client.recv(65536)
                client.sendall(_ERROR)
                return
            with socket.create_connection((ports.HOST, self._target)) as server:
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                up = threading.Thread(target=self._pass, args=(self._say, client, server))
                up.daemon = True
                up.start()
                self._pass(self._hear, server, client)

    def _wait_while_hung(self) -> None:
        while self.mode is Mode.HUNG:
            time.sleep(0.05)

    def _pass(self, pass_on: _Way, source: socket.socket, target: socket.socket) -> None:
        """One way of a connection. Its end is that of the other way too."""
        with suppress(OSError):
            pass_on(source, target)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _say(self, client: socket.socket, server: socket.socket) -> None:
        """What the service says. A connection opened in better times meets the mode here."""
        while data := client.recv(65536):
            self._wait_while_hung()
            if self.mode in (Mode.GONE, Mode.ERRING):
                return
            server.sendall(data)

    def _hear(self, server: socket.socket, client: socket.socket) -> None:
        """What the store answers."""
        while data := server.recv(65536):
            self._wait_while_hung()
            if self.mode is Mode.SLOW:
                time.sleep(SLOW_SECONDS)
            if self.mode is not Mode.OPEN and self.mode is not Mode.SLOW:
                return
            client.sendall(data)
