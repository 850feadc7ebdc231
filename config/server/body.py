"""The body of a request: in memory before a thread has it, or piece by piece where it is large."""

import asyncio
import io
from typing import Any

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError, Scope  # type: ignore[attr-defined]

# A batch of a thousand events has as much. A client on every connection makes 200 MB of it.
WHOLE_BYTES = 256 * 1024
# A small body takes no longer, nor a piece of a large one.
PATIENCE_SECONDS = 60


async def take_in(scope: Scope, protocol: HTTPProtocol) -> io.BufferedIOBase:
    """What WSGI calls `wsgi.input`.

    Raises TimeoutError if it does not come, and granian's ProtocolClosed or ProtocolError if the
    client leaves.
    """
    headers = scope.headers
    length = headers.get("content-length", "")
    if not length and "transfer-encoding" not in headers:
        return io.BytesIO()
    is_small = length.isdecimal() and int(length) <= WHOLE_BYTES
    # One that waits to be asked for its body should hear first whether it is wanted.
    if not is_small or "expect" in headers:
        return io.BufferedReader(_Incoming(protocol, asyncio.get_running_loop()))
    async with asyncio.timeout(PATIENCE_SECONDS):
        return io.BytesIO(await protocol())


class _Incoming(io.RawIOBase):
    """A body read by a thread while the event loop takes it in; one that stops coming has ended."""

    def __init__(self, protocol: HTTPProtocol, loop: asyncio.AbstractEventLoop) -> None:
        self._protocol, self._loop = protocol, loop
        self._pieces: Any = None
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any, /) -> int:
        if not self._left:
            piece = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
            self._left = memoryview(piece.result())
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
