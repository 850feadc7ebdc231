"""Reading ahead: a thread prepares the next item while the caller works on the current one."""

import threading
from collections.abc import Iterator
from queue import Empty, Full, Queue
from typing import TypeVar

from django.db import connections

_T = TypeVar("_T")
_POLL_SECONDS = 0.2


class _End:
    """The last entry in the queue: the items have ended, or `error` ended them."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterator[_T], *, stop: threading.Event) -> Iterator[_T]:
    """The same items, one of them prepared ahead. It ends once `stop` is set.

    After `stop` nobody waits for the thread to end: it may be waiting for standard input that
    never comes.
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
    """Put the item into the queue; False if the reader has left."""
    while not left.is_set():
        try:
            ready.put(item, timeout=_POLL_SECONDS)
        except Full:
            continue
        return True
    return False
