"""A large answer on its way out: in pieces, and no faster than the client takes them.

All at once it would lie in memory until the client has it, however slowly that reads.
"""

import asyncio
import time
from typing import Any, NamedTuple

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError  # type: ignore[attr-defined]

from config.server import room
from config.server.room import SMALL_BYTES, Share

# A client takes no longer for a piece.
PATIENCE_SECONDS = 60
_PIECE_BYTES = 64 * 1024
# While others wait for room, one that takes its answer more slowly than this loses it.
_SLOW_BYTES_PER_SECOND = 32 * 1024
_SLOW_SECONDS = 2
_LOOK_SECONDS = 0.5


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    data: bytes

    @property
    def is_large(self) -> bool:
        return len(self.data) > SMALL_BYTES


class _Pace:
    """How fast the client takes it."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._taken = 0

    def note(self, size: int) -> None:
        self._taken += size
        self._last = time.monotonic()

    def is_too_slow(self) -> bool:
        now = time.monotonic()
        seconds = now - self._began
        is_slow = seconds > _SLOW_SECONDS and self._taken < seconds * _SLOW_BYTES_PER_SECOND
        return (is_slow and room.work.is_crowded) or now - self._last > PATIENCE_SECONDS


async def send(protocol: HTTPProtocol, answer: Answer, share: Share | None) -> None:
    """Cut off where the client has left or is too slow."""
    if share and share.size > len(answer.data):
        # What it was made of is gone.
        share.resize(len(answer.data))
    transport = protocol.response_stream(answer.status, answer.headers)
    data, pace = memoryview(answer.data), _Pace()
    for start in range(0, len(data), _PIECE_BYTES):
        piece = bytes(data[start : start + _PIECE_BYTES])
        if not await _is_taken(asyncio.ensure_future(_taken(transport, piece)), pace):
            return
        pace.note(len(piece))


async def _is_taken(taking: "asyncio.Future[bool]", pace: _Pace) -> bool:
    while not (await asyncio.wait({taking}, timeout=_LOOK_SECONDS))[0]:
        if pace.is_too_slow():
            taking.cancel()
            return False
    return taking.result()


async def _taken(transport: Any, piece: bytes) -> bool:
    try:
        await transport.send_bytes(piece)
    except (ProtocolClosed, ProtocolError):
        return False
    return True
