"""How slowly a client that holds room may send a large body or read a large answer."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from config.memory.room import Room

T = TypeVar("T")

# The longest wait for one piece, even if nobody waits for room.
PATIENCE_SECONDS = 60
# While others wait for room, a client that is slower than this loses its room.
_SLOW_BYTES_PER_SECOND = 32 * 1024
_SLOW_SECONDS = 2
_LOOK_SECONDS = 0.5


class Pace:
    """The speed of one client that holds a share of `room`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._began = self._last = time.monotonic()
        self._bytes = 0

    def note(self, size: int) -> None:
        """Count `size` more bytes, received or sent."""
        self._bytes += size
        self._last = time.monotonic()

    async def wait(self, piece: Awaitable[T]) -> T:
        """The result of `piece`. Raises TimeoutError if the client is too slow."""
        task = asyncio.ensure_future(piece)
        try:
            # Pieces may be tiny and come often, so this is not left to the pauses between them.
            if self._is_too_slow():
                raise TimeoutError
            while not (await asyncio.wait({task}, timeout=_LOOK_SECONDS))[0]:
                if self._is_too_slow():
                    raise TimeoutError
            return task.result()
        finally:
            task.cancel()

    def _is_too_slow(self) -> bool:
        now = time.monotonic()
        seconds = now - self._began
        is_slow = seconds > _SLOW_SECONDS and self._bytes < seconds * _SLOW_BYTES_PER_SECOND
        return (is_slow and self._room.is_crowded) or now - self._last > PATIENCE_SECONDS
