"""Request bodies: undoes the framing and the Content-Encoding and returns plain chunks."""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from email.message import Message
from io import BufferedIOBase
from typing import Any

import lz4.frame
import zstandard

from embedded.gateway.errors import EngineError, refusal

READ_BYTES = 256 * 1024
_MAX_LINE = 1024
_CHUNK_HEAD = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n")

_DECODERS: dict[str, tuple[Callable[[], Any], int, str]] = {
    "gzip": (lambda: zlib.decompressobj(wbits=31), 354, "ZLIB_INFLATE_FAILED"),
    "deflate": (zlib.decompressobj, 354, "ZLIB_INFLATE_FAILED"),
    "zstd": (lambda: zstandard.ZstdDecompressor().decompressobj(), 561, "ZSTD_DECODER_FAILED"),
    "lz4": (lz4.frame.LZ4FrameDecompressor, 618, "LZ4_DECODER_FAILED"),
}


class BrokenBodyError(EngineError):
    """The framing itself is broken, so nobody knows where the next request begins."""


def _broken(message: str) -> BrokenBodyError:
    error = refusal(3, "UNEXPECTED_END_OF_FILE", message)
    return BrokenBodyError(code=error.code, name=error.name, text=error.text)


def _read_exactly(stream: BufferedIOBase, length: int) -> Iterator[bytes]:
    while length:
        chunk = stream.read(min(length, READ_BYTES))
        if not chunk:
            raise _broken(f"The request body ended {length} bytes early")
        length -= len(chunk)
        yield chunk


def _read_chunked(stream: BufferedIOBase) -> Iterator[bytes]:
    while True:
        head = _CHUNK_HEAD.fullmatch(stream.readline(_MAX_LINE))
        if head is None:
            raise _broken("The chunked request body is cut short or malformed")
        size = int(head[1], 16)
        if size == 0:
            break
        yield from _read_exactly(stream, size)
        if stream.readline(_MAX_LINE) not in (b"\r\n", b"\n"):
            raise _broken("A chunk of the request body is longer than its stated size")
    while (trailer := stream.readline(_MAX_LINE)) not in (b"\r\n", b"\n"):
        if not trailer:
            raise _broken("The chunked request body has no end")


def read_body(stream: BufferedIOBase, headers: Message) -> Iterator[bytes]:
    """The body's bytes as sent. Raises BrokenBodyError if it is shorter than announced."""
    transfer = headers.get("Transfer-Encoding")
    if transfer is not None:
        if transfer.strip().lower() != "chunked":
            raise _broken(f"Transfer-Encoding is not chunked: {transfer[:40]!r}")
        return _read_chunked(stream)
    length = headers.get("Content-Length", "0")
    if not length.isdecimal():
        raise _broken(f"Content-Length is not a number: {length[:40]!r}")
    return _read_exactly(stream, int(length))


def decode(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Undo a Content-Encoding. Concatenated frames are one body; a cut frame is an error."""
    if encoding in ("", "identity"):
        return iter(chunks)
    if encoding not in _DECODERS:
        known = ", ".join(_DECODERS)
        raise refusal(
            89, "UNKNOWN_COMPRESSION_METHOD", f"Content-Encoding {encoding!r} is not one of {known}"
        )
    return _decode_frames(chunks, encoding)


def _decode_frames(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    make_decoder, code, name = _DECODERS[encoding]
    decoder = None
    for chunk in chunks:
        rest = chunk
        while rest:
            decoder = decoder or make_decoder()
            try:
                plain = decoder.decompress(rest)
            except (zlib.error, zstandard.ZstdError, RuntimeError) as error:
                raise refusal(code, name, f"The {encoding} body is corrupt: {error}") from None
            if plain:
                yield plain
            rest = decoder.unused_data if decoder.eof else b""
            decoder = None if decoder.eof else decoder
    if decoder is not None:
        raise refusal(code, name, f"The {encoding} body is cut short")
