"""Clients that leave before they have their answer: what is being done for one can be stopped."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Client:
    """Whoever waits for the answer to one request."""

    def __init__(self) -> None:
        self.has_left = False
        self._stop: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def leave(self) -> None:
        """Stops what is being done for them, and what would be begun after; may take a while."""
        with self._lock:
            self.has_left, stop = True, self._stop
        if stop:
            stop()

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        with self._lock:
            self._stop = stop
        try:
            if self.has_left:
                raise ClientLeft
            yield
        finally:
            with self._lock:
                self._stop = None


class ClientLeft(Exception):
    """Nobody waits for this answer any more."""


_NOBODY = Client()
_current: ContextVar[Client] = ContextVar("client", default=_NOBODY)


@contextmanager
def answering(client: Client) -> Iterator[None]:
    """What is done in the block is done for this client."""
    before = _current.set(client)
    try:
        yield
    finally:
        _current.reset(before)


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """If the client leaves during the block, `stop` is called, once and from another thread.

    It may be called when the block has just ended. Raises ClientLeft for one that left before.
    Where no request is being answered, nobody leaves.
    """
    client = _current.get()
    if client is _NOBODY:
        yield
        return
    with client.stopping(stop):
        yield


def has_left() -> bool:
    """Whether the client of the request that is being answered has gone."""
    return _current.get().has_left
