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
        """Tries to stop what is being done for them; nothing is begun after that. Call it again."""
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
    """What is done in the block is done for this client."""
    before = _current.set(client)
    try:
        yield
    finally:
        _current.reset(before)


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """If the client leaves during the block, `stop` is called, and again until the block ends.

    From another thread; the last time perhaps when the block has just ended. Raises ClientLeft
    for one that left before. Where no request is being answered, nobody leaves.
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
