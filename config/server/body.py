"""Request bodies. Most are in memory before a thread gets them; a thread reads files itself."""

import asyncio
import io
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any, NamedTuple

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError, Scope  # type: ignore[attr-defined]

from config.memory import room
from config.memory.room import MAX_BODY_BYTES, SMALL_BYTES, NoRoom, Share
from config.server.pace import PATIENCE_SECONDS, Pace

# Paths whose bodies are files. A thread writes each file to disk as it comes, so it may have any
# size. The admin's path is the exact one: the pages below it would read a form of any size before
# they check who sends it.
FILE_PATHS = ("/imports", "/admin/importer/import/add/")
# A file occupies its thread, however slowly it comes. This number leaves threads for other requests
# (config.server.rsgi has 128). nginx.conf lets the same number through in all.
FILES_AT_ONCE = 32
# The longest wait for room: once until a body may come in, and once until it may be worked on.
ROOM_SECONDS = 20
# A compressed body is expected to become this many times as large. A body that grows more asks for
# more room.
_USUAL_RATIO = 50
# Most clients read the answer only when they have sent their whole body. A client that sends more
# than this, or for longer, sees a broken connection instead of its answer.
_UNHEARD_BYTES = 64 * 1024 * 1024
_UNHEARD_SECONDS = 10

# The refusal's key in the request's environ. No header can have this name.
REFUSAL = "events.refusal"

_open_files = 0


class Refusal(NamedTuple):
    """Why a body was not taken; `retry_after` is in seconds, 0 if it makes no sense to retry."""

    status: HTTPStatus
    detail: str
    retry_after: int = 0


_TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {MAX_BODY_BYTES} bytes."
)
_TOO_SLOW = Refusal(
    HTTPStatus.REQUEST_TIMEOUT, "Nothing was accepted: the body arrived too slowly."
)
_NO_ROOM = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Nothing was accepted: too many large bodies arrive at once. Send the request again.",
    retry_after=1,
)
_TOO_MANY_FILES = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    f"Not accepted: {FILES_AT_ONCE} files are arriving already. Send the file again later.",
    retry_after=10,
)


class Body(NamedTuple):
    """The result of `take_in`. The code that answers the request calls `release` at the end.

    `stream` is WSGI's `wsgi.input`; it is empty if the body was refused.
    """

    stream: io.BufferedIOBase
    share: Share | None = None
    refusal: Refusal | None = None
    file: "_File | None" = None
    was_left: bool = False

    @property
    def is_unread(self) -> bool:
        """Whether part of the body may still come: then the connection can't be used again."""
        return self.was_left or (self.file is not None and not self.file.has_ended)

    def release(self) -> None:
        global _open_files  # noqa: PLW0603 - one thread alone runs the event loop
        # Objects that refer to the stream may live until Python's garbage collector runs. Closing
        # the stream frees the body now.
        self.stream.close()
        if self.share:
            self.share.release()
        if self.file:
            _open_files -= 1


async def take_in(scope: Scope, protocol: HTTPProtocol) -> Body:
    """Take the body or refuse it. If the client left, the body is shorter than Content-Length."""
    length = scope.headers.get("content-length", "")
    if not length.isdecimal():
        # There is no body, or it is chunked, and no view accepts that.
        was_left = "transfer-encoding" in scope.headers and not await _read_away(scope, protocol)
        return Body(io.BytesIO(), room.work.nothing(), was_left=was_left)
    size = int(length)
    if not size:
        return Body(io.BytesIO(), room.work.nothing())
    if scope.path in FILE_PATHS:
        return _file(protocol)
    if size <= SMALL_BYTES:
        # The small bodies of all connections together take less memory than one large body.
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
    """The body with its share of the room for work, or a refusal."""
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
    """Read a small body in one call. Raises TimeoutError."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await protocol()
    except (ProtocolClosed, ProtocolError):
        return b""


async def _joined(protocol: HTTPProtocol) -> bytes:
    """Read a large body piece by piece. Raises TimeoutError."""
    data, pieces, pace = io.BytesIO(), protocol.__aiter__(), Pace(room.coming)
    while piece := await pace.wait(_next(pieces)):
        pace.note(data.write(piece))
    return data.getvalue()


async def _next(pieces: Any) -> bytes:
    try:
        # No default: with a default, anext ends the process when the client leaves (CPython 3.11).
        return bytes(await anext(pieces))
    except (StopAsyncIteration, ProtocolClosed, ProtocolError):
        return b""


async def _refused(refusal: Refusal, scope: Scope, protocol: HTTPProtocol) -> Body:
    was_left = not await _read_away(scope, protocol)
    return Body(io.BytesIO(), refusal=refusal, was_left=was_left)


async def _read_away(scope: Scope, protocol: HTTPProtocol) -> bool:
    """Read the body and throw it away. Returns whether it came to its end.

    Without this the client would not read the answer. A client that sends its body only when the
    server allows it (Expect: 100-continue) is not allowed to.
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
        # The file is not read: there is no room for that.
        return Body(io.BytesIO(), refusal=_TOO_MANY_FILES, was_left=True)
    _open_files += 1
    file = _File(protocol, asyncio.get_running_loop())
    return Body(io.BufferedReader(file), file=file)


class _File(io.RawIOBase):
    """A body that a thread reads while the event loop receives it.

    If nothing comes for PATIENCE_SECONDS, the body has ended.
    """

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
