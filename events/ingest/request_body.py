"""Read and decode the body of an ingest request, with a limit on its size in memory."""

import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import IO, Any, TypeVar, cast

import zstandard
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from config.api.problems import Problem
from config.memory import room
from config.memory.room import MAX_BODY_BYTES

_PIECE = 64 * 1024
# zstd decodes its whole input at once, to up to 32,768 times its size: 8 MiB from 256 bytes.
_ZSTD_PIECE = 256
# Gzip members or zstd frames in a body: at most one for each event. Starting a member takes 3 µs,
# and a million empty members fit into 20 MB.
_MAX_MEMBERS = 10_000

_Decoder = TypeVar("_Decoder")


class EventsParser(BaseParser):
    """DRF parser that returns the decoded bytes, in a list for `take_body`."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return [read_body(stream, (parser_context or {})["request"].META)]


def take_body(request: Request) -> bytes:
    """Return the decoded body of a request and take it out of the request. Raises Problem.

    Only the caller holds the body then. A DRF request lives until Python's garbage collector runs,
    and it would keep a body of up to 20 MB in `request.data`. Call this once for each request.
    """
    require_length(request.META)
    # Without a body, DRF calls no parser and `request.data` is an empty dict.
    body = cast(list[bytes], request.data).pop() if request.data else b""
    if not body:
        raise Problem(400, "The body is empty.")
    return body


class _Counted:
    """A stream that counts the bytes read from it."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream
        self.size = 0

    def read(self, size: int) -> bytes:
        piece: bytes = self._stream.read(size)
        self.size += len(piece)
        return piece


def require_length(headers: Mapping[str, Any]) -> None:
    """Raises Problem for a chunked body, because Django treats it as no body."""
    if "CONTENT_LENGTH" not in headers and "HTTP_TRANSFER_ENCODING" in headers:
        raise Problem(411, "Send a Content-Length; chunked bodies are not taken.")


def read_body(stream: IO[Any], headers: Mapping[str, Any]) -> bytes:
    """Return the decoded body.

    Raises Problem if it can't be read or decodes to more than MAX_BODY_BYTES.
    """
    encoding = _encoding(headers.get("HTTP_CONTENT_ENCODING", ""))
    source = _Counted(stream)
    try:
        body = _joined(_DECODERS[encoding](source))
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise Problem(400, f"The body is not valid {encoding}: {error}.") from None
    # Only this length shows that a client went away before it had sent everything.
    if source.size < int(headers.get("CONTENT_LENGTH") or 0):
        raise Problem(400, "The body is shorter than its Content-Length.")
    return body


def _encoding(header: str) -> str:
    """The coding of a body. Empty elements of a list mean nothing (RFC 9110, section 5.6.1)."""
    named = [name for element in header.lower().split(",") if (name := element.strip())]
    encoding = ", ".join(named).removeprefix("x-") or "identity"
    if encoding not in _DECODERS:
        known = ", ".join(sorted(_DECODERS))
        raise Problem(415, f"Content-Encoding {encoding[:40]!r} is not supported; use {known}.")
    return encoding


def _joined(decoded: Iterator[bytes]) -> bytes:
    """Join the pieces of a body.

    Raises Problem 413 past MAX_BODY_BYTES, and 503 if there is no room to decode the body now.
    """
    # A plain body is a single piece and is not copied.
    whole = io.BytesIO(next(decoded, b""))
    size = whole.seek(0, io.SEEK_END)
    _require_bounds(size)
    for piece in decoded:
        size += len(piece)
        _require_bounds(size)
        whole.write(piece)
    return whole.getvalue()


def _require_bounds(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise Problem(413, f"The body decodes to more than {MAX_BODY_BYTES} bytes.")
    try:
        room.need_for_body(size)
    except room.NoRoom:
        detail = "Nothing was accepted: too many large bodies are decoded now. Send it again later."
        raise Problem(503, detail, headers={"Retry-After": "1"}) from None


def _members(begin: Callable[[], _Decoder]) -> Iterator[_Decoder]:
    """Yield a decoder for each member or frame of a body. Raises EOFError past _MAX_MEMBERS."""
    for _ in range(_MAX_MEMBERS):
        yield begin()
    raise EOFError(f"it has more than {_MAX_MEMBERS} members")


def _plain(stream: _Counted) -> Iterator[bytes]:
    """Yield the body in one piece: the event loop has it in memory already."""
    while piece := stream.read(MAX_BODY_BYTES + 1):
        yield piece


def _gzip(stream: _Counted) -> Iterator[bytes]:
    return _inflate(stream, 16 + zlib.MAX_WBITS)


def _deflate(stream: _Counted) -> Iterator[bytes]:
    """RFC 9110 asks for zlib's wrapper, but many clients send the bare stream.

    The first bytes show which of the two it is.
    """
    head = stream.read(_PIECE)
    wrapped = len(head) > 1 and head[0] & 0x0F == 8 and (head[0] << 8 | head[1]) % 31 == 0
    return _inflate(stream, zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS, head)


def _inflate(stream: _Counted, window: int, head: bytes = b"") -> Iterator[bytes]:
    """Inflate piece by piece, to stop a decompression bomb early. A body may have many members."""
    members = _members(partial(zlib.decompressobj, window))
    decoder = next(members)
    data = head or stream.read(_PIECE)
    while data:
        yield decoder.decompress(data, _PIECE)
        data = decoder.unconsumed_tail
        if decoder.eof:
            data = decoder.unused_data or stream.read(_PIECE)
            if data:
                decoder = next(members)
        elif not data:
            data = stream.read(_PIECE)
    while tail := decoder.decompress(b"", _PIECE):
        yield tail
    if not decoder.eof:
        raise EOFError("it ends too early")


def _zstd(stream: _Counted) -> Iterator[bytes]:
    """Decode all frames. The window has a limit, or a frame could ask for gigabytes at once."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_BODY_BYTES)
    frames = _members(unpacker.decompressobj)
    decoder = next(frames)
    data = stream.read(_ZSTD_PIECE)
    while data:
        yield decoder.decompress(data)
        data = (decoder.eof and decoder.unused_data) or stream.read(_ZSTD_PIECE)
        if decoder.eof and data:
            decoder = next(frames)
    if not decoder.eof:
        raise EOFError("it ends too early")


_DECODERS = {"identity": _plain, "gzip": _gzip, "deflate": _deflate, "zstd": _zstd}
