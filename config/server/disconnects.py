"""Clients that leave before they have their answer: the work for them can be stopped."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Client:
    """The client that waits for the answer to one request."""

    def __init__(self) -> None:
        self.has_left = False
        self._stop: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def leave(self) -> None:
        """Try to stop the work for this client. No work starts after that.

        Call it again until the work has ended.
        """
        with self._lock:
            self.has_left, stop = True, self._stop
        if stop:
            stop()

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        with self._lock:
            if self.has_left:
                raise ClientLeft
            self._stop = stop
        try:
            yield
        finally:
            self._stop = None


class ClientLeft(Exception):
    """Nobody waits for this answer any more."""


_NOBODY = Client()
_current: ContextVar[Client] = ContextVar("client", default=_NOBODY)


@contextmanager
def answering(client: Client) -> Iterator[None]:
    """The work in the block is done for this client."""
    before = _current.set(client)
    try:
        yield
    finally:
        _current.reset(before)


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """If the client leaves during the block, `stop` is called, and again until the block ends.

    Another thread calls it, the last time perhaps just after the block has ended. Raises ClientLeft
    if the client left before the block. Outside of a request `stop` is never called.
    """
    client = _current.get()
    if client is _NOBODY:
        yield
        return
    with client.stopping(stop):
        yield


def has_left() -> bool:
    """Whether the client of the current request has left."""
    return _current.get().has_left
