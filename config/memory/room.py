"""Room: how much of a web process's memory bodies and large answers may take at once.

A body on its way takes its own size. The events of a body that has come take several times as
much until they are on the queue. A large answer takes what it is made of, then its own size until
it is sent. What does not fit waits its turn, and hears 503 if that does not come, so that
WEB_MEMORY_MEGABYTES holds whatever arrives at the same time.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings

MIB = 1024 * 1024
# What a body may have, on the way and decoded.
MAX_BODY_BYTES = 20 * MIB
# A body of a few events, which waits behind no large one.
SMALL_BYTES = 16 * 1024

# A process takes 110 MB when it starts, and keeps up to 60 more of what it once used.
_OTHERS_BYTES = 164 * MIB
# What a body that waits in a thread to grow may have in memory: 256 bytes of zstd may decode to
# 8 MB at once. So many may wait, for so long.
_LITTLE_BYTES = 9 * MIB
_GROWING_AT_ONCE = 3
GROWTH_SECONDS = 10
# Large answers that wait in a thread to be made. They have nothing in memory.
_ANSWERS_AT_ONCE = 48
# What an answer takes that needs no room: each thread has one at most.
_SMALL_ANSWER_BYTES = 64 * 1024
_COMING_BYTES = 24 * MIB
_SMALL_WORK_BYTES = 20 * MIB
# Objects: a valid event has at least 116 bytes and takes 850; one that is refused has at least 2
# bytes and takes 350. No body has more than 10,000.
_EVENT_BYTES = 850
_UNKNOWN_BYTES_PER_BYTE = 175
_MOST_OBJECT_BYTES = 10_000 * _EVENT_BYTES


def work_bytes(size: int, *, events: int | None = None) -> int:
    """What a body of `size` decoded bytes takes at most while its events are checked and queued.

    The body itself, the records' compact copy of it, the lines of a frame, and objects: those of
    the worst body of that size until it is known how many `events` it has.
    """
    if events is None:
        return 3 * size + min(_UNKNOWN_BYTES_PER_BYTE * size, _MOST_OBJECT_BYTES)
    return 3 * size + _EVENT_BYTES * events


class NoRoom(Exception):
    """The room is taken; it may be free again in a few seconds."""


class Share:
    """What one request has taken of a room. Any thread may change it, one at a time."""

    def __init__(self, room: "Room", size: int) -> None:
        self._room = room
        self.size = size

    def resize(self, size: int) -> None:
        """Raises NoRoom where more is wanted than is free."""
        self._room.change(size - self.size)
        self.size = size

    def release(self) -> None:
        self.resize(0)

    def exchange(self, size: int, waiters: threading.BoundedSemaphore) -> None:
        """Give it back for more, in a thread, and wait in line where there is not so much.

        So many wait at a time as `waiters` lets through. Raises NoRoom.
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
    """A number of bytes that requests share. They come in through the event loop, in order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._taken = 0
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.loop: asyncio.AbstractEventLoop

    def nothing(self) -> Share:
        """A share of no size, which may grow. For the event loop to call."""
        self.loop = asyncio.get_running_loop()
        return Share(self, 0)

    @property
    def is_crowded(self) -> bool:
        """Whether somebody waits."""
        return any(not place.done() for _, place in self._waiting)

    def take_now(self, size: int) -> bool:
        """From any thread: takes so much where it is free and nobody waits for it."""
        if self._waiting:
            return False
        try:
            self.change(size)
        except NoRoom:
            return False
        return True

    def change(self, by: int) -> None:
        """From any thread. Raises NoRoom."""
        with self._lock:
            if by > 0 and self._taken + by > self.size:
                raise NoRoom
            self._taken += by
        if by < 0 and self._waiting:
            self.loop.call_soon_threadsafe(self._admit)

    async def take(self, size: int, *, seconds: float) -> Share:
        """Raises NoRoom for what does not fit within that time."""
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
        """In the event loop: those who wait, in order, while there is room for the first."""
        while self._waiting:
            size, place = self._waiting[0]
            if not place.done():
                try:
                    self.change(size)
                except NoRoom:
                    return
                place.set_result(None)
            self._waiting.popleft()


# Bodies on their way; those of a few events while they are worked on; and the larger ones, with
# large answers.
coming = Room(_COMING_BYTES)
small_work = Room(_SMALL_WORK_BYTES)
work = Room(settings.WEB_MEMORY_MEGABYTES * MIB - _OTHERS_BYTES - _COMING_BYTES - _SMALL_WORK_BYTES)

_growing = threading.BoundedSemaphore(_GROWING_AT_ONCE)
_answers = threading.BoundedSemaphore(_ANSWERS_AT_ONCE)
_current: ContextVar[Share | None] = ContextVar("share", default=None)


@contextmanager
def held(share: Share | None) -> Iterator[None]:
    """What is done in the block is done within this share."""
    before = _current.set(share)
    try:
        yield
    finally:
        _current.reset(before)


def need(size: int) -> None:
    """Say what the present request takes from now on, in bytes. Raises NoRoom.

    Without a share, as in a test or a command, nothing is counted.
    """
    if share := _current.get():
        share.resize(size)


def need_for_body(size: int) -> None:
    """The same for a body of which `size` bytes are decoded, and which grows beyond its share.

    It asks for all that a body may have. While it is small it waits for that, within bounds. Raises
    NoRoom.
    """
    share = _current.get()
    if share is None or share.size >= work_bytes(size):
        return
    if size > _LITTLE_BYTES:
        share.resize(work_bytes(MAX_BODY_BYTES))
    else:
        share.exchange(work_bytes(MAX_BODY_BYTES), _growing)


def need_for_answer(size: int) -> None:
    """Wait in line until there is room to make an answer, in bytes of all that it takes.

    To be called before anything of it is in memory. Raises NoRoom.
    """
    share = _current.get()
    if share is not None and size > _SMALL_ANSWER_BYTES:
        share.exchange(size, _answers)
