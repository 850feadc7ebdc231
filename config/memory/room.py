"""Room: how much memory of a web process bodies and large answers may take at once.

A body that is coming in takes its own size. Then its events take several times as much until they
are on the queue. A large answer takes the size of the data it is made from, then its own size until
it is sent. A request that does not fit waits in line. It gets 503 if it has waited too long. So a
process stays within WEB_MEMORY_MEGABYTES, however much arrives at the same time.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings

MIB = 1024 * 1024
# The largest body, both as it is sent and decoded.
MAX_BODY_BYTES = 20 * MIB
# A body up to this size has only a few events. It does not wait behind large bodies.
SMALL_BYTES = 16 * 1024

# A process takes 110 MB when it starts, and keeps up to 60 MB more of what it once used.
_OTHERS_BYTES = 164 * MIB
# The most memory of a body that waits in a thread to grow: 256 bytes of zstd may decode to 8 MB at
# once. The next two say how many such bodies may wait, and for how long.
_LITTLE_BYTES = 9 * MIB
_GROWING_AT_ONCE = 3
GROWTH_SECONDS = 10
# How many large answers may wait in a thread until they can be made. They hold no memory while they
# wait.
_ANSWERS_AT_ONCE = 48
# An answer up to this size needs no room: each thread has at most one.
_SMALL_ANSWER_BYTES = 64 * 1024
_COMING_BYTES = 24 * MIB
_SMALL_WORK_BYTES = 20 * MIB
# Memory of objects. A valid event has at least 116 bytes and takes 850. A refused event has at
# least 2 bytes and takes 350. No body has more than 10,000 events.
_EVENT_BYTES = 850
_UNKNOWN_BYTES_PER_BYTE = 175
_MOST_OBJECT_BYTES = 10_000 * _EVENT_BYTES


def work_bytes(size: int, *, events: int | None = None) -> int:
    """The most memory of a body of `size` decoded bytes while its events are checked and queued.

    In bytes: the body itself, the records' compact copy of it, the lines of a frame, and objects.
    Until the number of `events` is known, the objects are those of the worst body of that size.
    """
    if events is None:
        return 3 * size + min(_UNKNOWN_BYTES_PER_BYTE * size, _MOST_OBJECT_BYTES)
    return 3 * size + _EVENT_BYTES * events


class NoRoom(Exception):
    """There is not enough free room; there may be in a few seconds."""


class Share:
    """The bytes of a room that one request has taken. Any thread may change it, one at a time."""

    def __init__(self, room: "Room", size: int) -> None:
        self._room = room
        self.size = size

    def resize(self, size: int) -> None:
        """Raises NoRoom if the room has too few free bytes."""
        self._room.change(size - self.size)
        self.size = size

    def release(self) -> None:
        self.resize(0)

    def exchange(self, size: int, waiters: threading.BoundedSemaphore) -> None:
        """Exchange this share for `size` bytes of `work`. Called in a thread.

        If so much is not free, give the share back and wait in line. `waiters` limits how many wait
        at a time. Raises NoRoom.
        """
        if work.take_now(size):
            self.release()
            self._room, self.size = work, size
            return
        if not waiters.acquire(blocking=False):
            raise NoRoom
        try:
            self.release()
            waiting = work.take(size, seconds=GROWTH_SECONDS)
            self._room = asyncio.run_coroutine_threadsafe(waiting, self._room.loop).result()._room
            self.size = size
        finally:
            waiters.release()


class Room:
    """A number of bytes that requests share. Requests enter through the event loop, in order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._taken = 0
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.loop: asyncio.AbstractEventLoop

    def nothing(self) -> Share:
        """A share of 0 bytes, which may grow. Only the event loop calls this."""
        self.loop = asyncio.get_running_loop()
        return Share(self, 0)

    @property
    def is_crowded(self) -> bool:
        """Whether a request waits for room."""
        return any(not place.done() for _, place in self._waiting)

    def take_now(self, size: int) -> bool:
        """Take `size` bytes if they are free and nobody waits. Any thread may call this."""
        if self._waiting:
            return False
        try:
            self.change(size)
        except NoRoom:
            return False
        return True

    def change(self, by: int) -> None:
        """Take `by` bytes, or give them back if negative. From any thread. Raises NoRoom."""
        with self._lock:
            if by > 0 and self._taken + by > self.size:
                raise NoRoom
            self._taken += by
        if by < 0 and self._waiting:
            self.loop.call_soon_threadsafe(self._admit)

    async def take(self, size: int, *, seconds: float) -> Share:
        """Take `size` bytes, in line. Raises NoRoom if they are not free within `seconds`."""
        self.loop = asyncio.get_running_loop()
        if not self.take_now(size):
            await self._wait(size, seconds)
        return Share(self, size)

    async def _wait(self, size: int, seconds: float) -> None:
        place = self.loop.create_future()
        self._waiting.append((size, place))
        self._admit()
        try:
            async with asyncio.timeout(seconds):
                await place
        except (TimeoutError, asyncio.CancelledError) as error:
            if place.done() and not place.cancelled():  # admitted at the last moment
                self.change(-size)
            place.cancel()
            self._admit()
            if isinstance(error, TimeoutError):
                raise NoRoom from None
            raise

    def _admit(self) -> None:
        """Admit requests in order, while there is room for the first. Runs in the event loop."""
        while self._waiting:
            size, place = self._waiting[0]
            if not place.done():
                try:
                    self.change(size)
                except NoRoom:
                    return
                place.set_result(None)
            self._waiting.popleft()


# `coming` is for large bodies while they come in, `small_work` for bodies of a few events while
# they are worked on, and `work` for larger bodies and for large answers.
coming = Room(_COMING_BYTES)
small_work = Room(_SMALL_WORK_BYTES)
work = Room(settings.WEB_MEMORY_MEGABYTES * MIB - _OTHERS_BYTES - _COMING_BYTES - _SMALL_WORK_BYTES)

_growing = threading.BoundedSemaphore(_GROWING_AT_ONCE)
_answers = threading.BoundedSemaphore(_ANSWERS_AT_ONCE)
_current: ContextVar[Share | None] = ContextVar("share", default=None)


@contextmanager
def held(share: Share | None) -> Iterator[None]:
    """The work in the block uses this share."""
    before = _current.set(share)
    try:
        yield
    finally:
        _current.reset(before)


def need(size: int) -> None:
    """Set what the current request takes from now on, in bytes. Raises NoRoom.

    Without a share, as in a test or a command, nothing is counted.
    """
    if share := _current.get():
        share.resize(size)


def need_for_body(size: int) -> None:
    """Take more for a body that grows beyond its share; `size` bytes of it are decoded.

    Asks for the room of the largest body. A body that is still small waits for it, but only a few
    may wait at a time. Other bodies do not wait. Raises NoRoom.
    """
    share = _current.get()
    if share is None or share.size >= work_bytes(size):
        return
    if size > _LITTLE_BYTES:
        share.resize(work_bytes(MAX_BODY_BYTES))
    else:
        share.exchange(work_bytes(MAX_BODY_BYTES), _growing)


def need_for_answer(size: int) -> None:
    """Wait in line until there is room to make an answer; `size` is all the bytes that this takes.

    Call this before any of them are in memory. Raises NoRoom.
    """
    share = _current.get()
    if share is not None and size > _SMALL_ANSWER_BYTES:
        share.exchange(size, _answers)
