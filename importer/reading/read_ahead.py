"""Reading ahead: a thread makes the next item while the one at hand is worked on."""

import threading
from collections.abc import Iterator
from queue import Empty, Full, Queue
from typing import TypeVar

from django.db import connections

_T = TypeVar("_T")
_POLL_SECONDS = 0.2


class _End:
    """The last thing in the queue: there is no more, or what went wrong."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterator[_T], *, stop: threading.Event) -> Iterator[_T]:
    """The same items, one of them made ahead; no more once `stop` is set.

    The thread is left behind where it waits for input that does not come: it may be standard
    input.
    """
    ready: Queue[_T | _End] = Queue(1)
    left = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, ready, left), name="read", daemon=True)
    thread.start()
    try:
        while not stop.is_set():
            try:
                item = ready.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            if isinstance(item, _End):
                if item.error:
                    raise item.error
                return
            yield item
    finally:
        left.set()
        if not stop.is_set():
            thread.join()


def _fill(items: Iterator[_T], ready: "Queue[_T | _End]", left: threading.Event) -> None:
    end = _End()
    try:
        for item in items:
            if not _put(ready, item, left):
                return
    except BaseException as error:
        end = _End(error)
    finally:
        connections.close_all()
    _put(ready, end, left)


def _put(ready: "Queue[_T | _End]", item: _T | _End, left: threading.Event) -> bool:
    """Whether somebody may still take it."""
    while not left.is_set():
        try:
            ready.put(item, timeout=_POLL_SECONDS)
        except Full:
            continue
        return True
    return False
