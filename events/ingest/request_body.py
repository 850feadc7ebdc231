"""The body of an ingest request: read, decoded, and never larger in memory than allowed."""

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
# zstd gives out whatever its input holds, up to 32,768 times its size: 8 MiB from 256 bytes.
_ZSTD_PIECE = 256
# One an event, at most. Beginning one takes 3 µs, and a million empty ones fit into 20 MB.
_MAX_MEMBERS = 10_000

_Decoder = TypeVar("_Decoder")


class EventsParser(BaseParser):
    """DRF parser that answers the decoded bytes, in a list for `take_body`."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return [read_body(stream, (parser_context or {})["request"].META)]


def take_body(request: Request) -> bytes:
    """The decoded body of a request, once. Raises Problem.

    Nothing else keeps it then: a DRF request lives on until Python's garbage collector comes, and
    with it what `request.data` holds, which may be 20 MB.
    """
    require_length(request.META)
    # Without a body DRF asks no parser and answers an empty dict.
    body = cast(list[bytes], request.data).pop() if request.data else b""
    if not body:
        raise Problem(400, "The body is empty.")
    return body


class _Counted:
    """A stream that knows how much was read from it."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream
        self.size = 0

    def read(self, size: int) -> bytes:
        piece: bytes = self._stream.read(size)
        self.size += len(piece)
        return piece


def require_length(headers: Mapping[str, Any]) -> None:
    """Raises Problem for a chunked body, which Django takes for none."""
    if "CONTENT_LENGTH" not in headers and "HTTP_TRANSFER_ENCODING" in headers:
        raise Problem(411, "Send a Content-Length; chunked bodies are not taken.")


def read_body(stream: IO[Any], headers: Mapping[str, Any]) -> bytes:
    """The decoded body; raises Problem for what can't be read or grows past MAX_BODY_BYTES."""
    encoding = _encoding(headers.get("HTTP_CONTENT_ENCODING", ""))
    source = _Counted(stream)
    try:
        body = _joined(_DECODERS[encoding](source))
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise Problem(400, f"The body is not valid {encoding}: {error}.") from None
    # The server tells a client that has gone from one that has finished by nothing else.
    if source.size < int(headers.get("CONTENT_LENGTH") or 0):
        raise Problem(400, "The body is shorter than its Content-Length.")
    return body


def _encoding(header: str) -> str:
    """The one coding of a body. Empty elements of a list mean nothing (RFC 9110, section 5.6.1)."""
    named = [name for element in header.lower().split(",") if (name := element.strip())]
    encoding = ", ".join(named).removeprefix("x-") or "identity"
    if encoding not in _DECODERS:
        known = ", ".join(sorted(_DECODERS))
        raise Problem(415, f"Content-Encoding {encoding[:40]!r} is not understood; use {known}.")
    return encoding


def _joined(decoded: Iterator[bytes]) -> bytes:
    """Raises Problem 413 past MAX_BODY_BYTES, and 503 where there is no room to decode it now."""
    # One piece alone, a plain body, is not copied.
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
        detail = "Nothing was accepted: too many large bodies are being decoded. Send it again."
        raise Problem(503, detail, headers={"Retry-After": "1"}) from None


def _members(begin: Callable[[], _Decoder]) -> Iterator[_Decoder]:
    """A decoder for each of the members or frames that make up a body."""
    for _ in range(_MAX_MEMBERS):
        yield begin()
    raise EOFError(f"it has more than {_MAX_MEMBERS} members")


def _plain(stream: _Counted) -> Iterator[bytes]:
    """In one piece, as the event loop has it in memory already."""
    while piece := stream.read(MAX_BODY_BYTES + 1):
        yield piece


def _gzip(stream: _Counted) -> Iterator[bytes]:
    return _inflate(stream, 16 + zlib.MAX_WBITS)


def _deflate(stream: _Counted) -> Iterator[bytes]:
    """RFC 9110 says zlib's wrapper; many clients send the bare stream, told by its first bytes."""
    head = stream.read(_PIECE)
    wrapped = len(head) > 1 and head[0] & 0x0F == 8 and (head[0] << 8 | head[1]) % 31 == 0
    return _inflate(stream, zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS, head)


def _inflate(stream: _Counted, window: int, head: bytes = b"") -> Iterator[bytes]:
    """Inflate piece by piece, to notice a bomb before it has grown; members may follow."""
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
    """Frames in a row; the window is bounded too, or a frame could ask for gigabytes at once."""
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
