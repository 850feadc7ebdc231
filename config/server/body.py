"""The body of a request: in memory before a thread has it, or piece by piece where it is large."""

import asyncio
import io
from typing import Any

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError, Scope  # type: ignore[attr-defined]

# A batch of a thousand events has as much.
WHOLE_BYTES = 256 * 1024
# What bodies that are on their way may fill of a process's memory; past it threads wait for them.
_ALL_BYTES = 64 * 1024 * 1024
# A small body takes no longer, nor a piece of a large one.
PATIENCE_SECONDS = 60
_on_their_way = 0


async def take_in(scope: Scope, protocol: HTTPProtocol) -> io.BufferedIOBase:
    """What WSGI calls `wsgi.input`: less than its Content-Length where the rest does not come."""
    headers = scope.headers
    length = headers.get("content-length", "")
    if not length and "transfer-encoding" not in headers:
        return io.BytesIO()
    size = int(length) if length.isdecimal() else WHOLE_BYTES + 1
    is_small = size <= WHOLE_BYTES and _on_their_way + size <= _ALL_BYTES
    # One that waits to be asked for its body should hear first whether it is wanted.
    if not is_small or "expect" in headers:
        return io.BufferedReader(_Incoming(protocol, asyncio.get_running_loop()))
    return io.BytesIO(await _whole(protocol, size))


async def _whole(protocol: HTTPProtocol, size: int) -> bytes:
    global _on_their_way  # noqa: PLW0603 - one thread alone runs the event loop
    _on_their_way += size
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await protocol()
    except (TimeoutError, ProtocolClosed, ProtocolError):
        return b""
    finally:
        _on_their_way -= size


class _Incoming(io.RawIOBase):
    """A body read by a thread while the event loop takes it in; one that stops coming has ended."""

    def __init__(self, protocol: HTTPProtocol, loop: asyncio.AbstractEventLoop) -> None:
        self._protocol, self._loop = protocol, loop
        self._pieces: Any = None
        self._left = memoryview(b"")
        self._has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any, /) -> int:
        if not self._left and not self._has_ended:
            piece = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
            self._left = memoryview(piece.result())
            self._has_ended = not self._left
        size = min(len(target), len(self._left))
        target[:size], self._left = self._left[:size], self._left[size:]
        return size

    async def _next(self) -> bytes:
        if self._pieces is None:
            self._pieces = self._protocol.__aiter__()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                # Given a default, anext ends the process where the client leaves (CPython 3.11).
                return bytes(await anext(self._pieces))
        except (StopAsyncIteration, TimeoutError, ProtocolClosed, ProtocolError):
            return b""
