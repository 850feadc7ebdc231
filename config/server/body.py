"""The body of a request: in memory before a thread has it, or a file that a thread reads."""

import asyncio
import io
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any, NamedTuple

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError, Scope  # type: ignore[attr-defined]

from config.memory import room
from config.memory.room import MAX_BODY_BYTES, SMALL_BYTES, NoRoom, Share
from config.server.pace import PATIENCE_SECONDS, Pace

# Paths whose bodies are files. A thread writes each to disk as it comes, so it has any size. Below
# the admin's there are other pages, which would read a form of that size before they look who asks.
FILE_PATHS = ("/imports", "/admin/importer/import/add/")
# A file holds its thread however slowly it comes: few enough to leave others theirs
# (config.server.rsgi has 128). nginx.conf lets as many through in all.
FILES_AT_ONCE = 32
# A body waits no longer for room: to come in, and then to be worked on.
ROOM_SECONDS = 20
# A compressed body is reckoned to become so many times as large; one that grows more asks for more.
_USUAL_RATIO = 50
# Most clients listen only when they have sent their body. One that sends more than this, or for
# longer, hears of a broken connection instead of its answer.
_UNHEARD_BYTES = 64 * 1024 * 1024
_UNHEARD_SECONDS = 10

# In the request's environment, where no header can have this name.
REFUSAL = "events.refusal"

_open_files = 0


class Refusal(NamedTuple):
    """Why a body was not taken; `retry_after` in seconds, 0 where it makes no sense to."""

    status: HTTPStatus
    detail: str
    retry_after: int = 0


_TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {MAX_BODY_BYTES} bytes."
)
_TOO_SLOW = Refusal(HTTPStatus.REQUEST_TIMEOUT, "Nothing was accepted: the body came too slowly.")
_NO_ROOM = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Nothing was accepted: too many large bodies are coming in at once. Send it again.",
    retry_after=1,
)
_TOO_MANY_FILES = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    f"Not taken: {FILES_AT_ONCE} files are on their way already. Send it again.",
    retry_after=10,
)


class Body(NamedTuple):
    """What `take_in` made of a body. Whoever answers the request calls `release` then.

    `stream` is WSGI's `wsgi.input`; of a refused body it is empty.
    """

    stream: io.BufferedIOBase
    share: Share | None = None
    refusal: Refusal | None = None
    file: "_File | None" = None
    was_left: bool = False

    @property
    def is_unread(self) -> bool:
        """Whether part of it may still come: the connection can't be used for another request."""
        return self.was_left or (self.file is not None and not self.file.has_ended)

    def release(self) -> None:
        global _open_files  # noqa: PLW0603 - one thread alone runs the event loop
        # What a request still refers to is kept until Python's garbage collector comes.
        self.stream.close()
        if self.share:
            self.share.release()
        if self.file:
            _open_files -= 1


async def take_in(scope: Scope, protocol: HTTPProtocol) -> Body:
    """The body, shorter than its Content-Length where the client left; or why it was refused."""
    length = scope.headers.get("content-length", "")
    if not length.isdecimal():
        # There is no body, or a chunked one, which no view takes.
        was_left = "transfer-encoding" in scope.headers and not await _read_away(scope, protocol)
        return Body(io.BytesIO(), room.work.nothing(), was_left=was_left)
    size = int(length)
    if not size:
        return Body(io.BytesIO(), room.work.nothing())
    if scope.path in FILE_PATHS:
        return _file(protocol)
    if size <= SMALL_BYTES:
        # All connections together hold less of these than one large body.
        return await _received(_whole(protocol), _expected(scope, size))
    return await _large(scope, protocol, size)


async def _large(scope: Scope, protocol: HTTPProtocol, size: int) -> Body:
    if size > MAX_BODY_BYTES:
        return await _refused(_TOO_LARGE, scope, protocol)
    try:
        share = await room.coming.take(size, seconds=ROOM_SECONDS)
    except NoRoom:
        return await _refused(_NO_ROOM, scope, protocol)
    try:
        return await _received(_joined(protocol), _expected(scope, size))
    finally:
        share.release()


def _expected(scope: Scope, size: int) -> int:
    """How large the body is likely to be when it is decoded."""
    is_packed = scope.headers.get("content-encoding", "identity") not in ("", "identity")
    return min(size * _USUAL_RATIO, MAX_BODY_BYTES) if is_packed else size


async def _received(data: Awaitable[bytes], expected: int) -> Body:
    """The body with its room to be worked on."""
    try:
        stream = io.BytesIO(await data)
    except TimeoutError:
        return Body(io.BytesIO(), refusal=_TOO_SLOW, was_left=True)
    place = room.small_work if expected <= SMALL_BYTES else room.work
    try:
        share = await place.take(room.work_bytes(expected), seconds=ROOM_SECONDS)
    except NoRoom:
        return Body(io.BytesIO(), refusal=_NO_ROOM)
    return Body(stream, share)


async def _whole(protocol: HTTPProtocol) -> bytes:
    """A small body by one call. Raises TimeoutError."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await protocol()
    except (ProtocolClosed, ProtocolError):
        return b""


async def _joined(protocol: HTTPProtocol) -> bytes:
    """A large body from its pieces. Raises TimeoutError."""
    data, pieces, pace = io.BytesIO(), protocol.__aiter__(), Pace(room.coming)
    while piece := await pace.wait(_next(pieces)):
        pace.note(data.write(piece))
    return data.getvalue()


async def _next(pieces: Any) -> bytes:
    try:
        # Given a default, anext ends the process where the client leaves (CPython 3.11).
        return bytes(await anext(pieces))
    except (StopAsyncIteration, ProtocolClosed, ProtocolError):
        return b""


async def _refused(refusal: Refusal, scope: Scope, protocol: HTTPProtocol) -> Body:
    was_left = not await _read_away(scope, protocol)
    return Body(io.BytesIO(), refusal=refusal, was_left=was_left)


async def _read_away(scope: Scope, protocol: HTTPProtocol) -> bool:
    """Whether the body came to its end: without that its client would not hear the answer.

    One that waits to be asked for its body (Expect: 100-continue) is not asked.
    """
    if "expect" in scope.headers:
        return False
    left, pieces = _UNHEARD_BYTES, protocol.__aiter__()
    try:
        async with asyncio.timeout(_UNHEARD_SECONDS):
            while left > 0:
                piece = await _next(pieces)
                if not piece:
                    return True
                left -= len(piece)
    except TimeoutError:
        pass
    return False


def _file(protocol: HTTPProtocol) -> Body:
    global _open_files  # noqa: PLW0603
    if _open_files >= FILES_AT_ONCE:
        # What it is sending is not waited for: that is what there is no room for.
        return Body(io.BytesIO(), refusal=_TOO_MANY_FILES, was_left=True)
    _open_files += 1
    file = _File(protocol, asyncio.get_running_loop())
    return Body(io.BufferedReader(file), file=file)


class _File(io.RawIOBase):
    """A body read by a thread while the event loop takes it in; one that stops coming has ended."""

    def __init__(self, protocol: HTTPProtocol, loop: asyncio.AbstractEventLoop) -> None:
        self._protocol, self._loop = protocol, loop
        self._pieces: Any = None
        self._left = memoryview(b"")
        self.has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any, /) -> int:
        if not self._left and not self.has_ended:
            piece = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
            self._left = memoryview(piece.result())
            self.has_ended = not self._left
        size = min(len(target), len(self._left))
        target[:size], self._left = self._left[:size], self._left[size:]
        return size

    async def _next(self) -> bytes:
        self._pieces = self._pieces or self._protocol.__aiter__()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await _next(self._pieces)
        except TimeoutError:
            return b""
