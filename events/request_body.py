"""The body of an ingest request: read, decoded, and never larger in memory than allowed."""

import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import zstandard
from rest_framework.parsers import BaseParser

from config.problems import Problem

MAX_DECODED_BYTES = 20 * 1024 * 1024
_PIECE = 64 * 1024
# zstd gives out whatever its input holds, up to 32,768 times its size: 8 MiB from 256 bytes.
_ZSTD_PIECE = 256


class EventsParser(BaseParser):
    """DRF parser that answers the decoded bytes; what they mean is `events.validation`'s work."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        request = (parser_context or {})["request"]
        return read_body(stream, request.META)


def read_body(stream: IO[Any], headers: Mapping[str, Any]) -> bytes:
    """The decoded body; raises Problem for what can't be read or grows past MAX_DECODED_BYTES."""
    if "CONTENT_LENGTH" not in headers and "HTTP_TRANSFER_ENCODING" in headers:
        raise Problem(411, "Send a Content-Length; chunked bodies are not taken.")
    encoding = headers.get("HTTP_CONTENT_ENCODING", "").strip().lower() or "identity"
    if encoding not in _DECODERS:
        known = ", ".join(sorted(_DECODERS))
        raise Problem(415, f"Content-Encoding {encoding[:40]!r} is not understood; use {known}.")
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in _DECODERS[encoding](stream):
            size += len(piece)
            if size > MAX_DECODED_BYTES:
                raise Problem(413, f"The body decodes to more than {MAX_DECODED_BYTES} bytes.")
            pieces.append(piece)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise Problem(400, f"The body is not valid {encoding}: {error}.") from None
    return b"".join(pieces)


def _plain(stream: IO[Any]) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece


def _gzip(stream: IO[Any]) -> Iterator[bytes]:
    return _inflate(stream, 16 + zlib.MAX_WBITS)


def _deflate(stream: IO[Any]) -> Iterator[bytes]:
    """RFC 9110 says zlib's wrapper; many clients send the bare stream, told by its first bytes."""
    head = stream.read(_PIECE)
    wrapped = len(head) > 1 and head[0] & 0x0F == 8 and (head[0] << 8 | head[1]) % 31 == 0
    return _inflate(stream, zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS, head)


def _inflate(stream: IO[Any], window: int, head: bytes = b"") -> Iterator[bytes]:
    """Inflate piece by piece, to notice a bomb before it has grown; members may follow."""
    decoder = zlib.decompressobj(window)
    data = head or stream.read(_PIECE)
    while data:
        yield decoder.decompress(data, _PIECE)
        data = decoder.unconsumed_tail
        if decoder.eof:
            data = decoder.unused_data or stream.read(_PIECE)
            if data:
                decoder = zlib.decompressobj(window)
        elif not data:
            data = stream.read(_PIECE)
    while tail := decoder.decompress(b"", _PIECE):
        yield tail
    if not decoder.eof:
        raise EOFError("it ends too early")


def _zstd(stream: IO[Any]) -> Iterator[bytes]:
    """Frames in a row; the window is bounded too, or a frame could ask for gigabytes at once."""
    frames = zstandard.ZstdDecompressor(max_window_size=MAX_DECODED_BYTES)
    decoder = frames.decompressobj()
    data = stream.read(_ZSTD_PIECE)
    while data:
        yield decoder.decompress(data)
        data = (decoder.eof and decoder.unused_data) or stream.read(_ZSTD_PIECE)
        if decoder.eof and data:
            decoder = frames.decompressobj()
    if not decoder.eof:
        raise EOFError("it ends too early")


_DECODERS = {"identity": _plain, "gzip": _gzip, "deflate": _deflate, "zstd": _zstd}
