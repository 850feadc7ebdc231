"""Response compression: the encodings a client may ask for, as incremental encoders."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import lz4.frame
import zstandard


def _lz4_encoder() -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    frame = lz4.frame.LZ4FrameCompressor()
    started = False

    def encode(chunk: bytes) -> bytes:
        nonlocal started
        head = b"" if started else frame.begin()
        started = True
        return bytes(head + frame.compress(chunk))

    def finish() -> bytes:
        return bytes((b"" if started else frame.begin()) + frame.flush())

    return encode, finish


def _of(encoder: Any) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    return encoder.compress, encoder.flush


# In order of preference: on loopback the cheapest wins.
_ENCODERS: dict[str, Callable[[], tuple[Callable[[bytes], bytes], Callable[[], bytes]]]] = {
    "lz4": _lz4_encoder,
    "zstd": lambda: _of(zstandard.ZstdCompressor(level=1).compressobj()),
    "gzip": lambda: _of(zlib.compressobj(level=1, wbits=31)),
    "deflate": lambda: _of(zlib.compressobj(level=1)),
}


def choose(accept_encoding: str) -> str | None:
    """The encoding to answer with, given an Accept-Encoding header; None if it has none of ours."""
    offers = [part.partition(";") for part in accept_encoding.lower().split(",")]
    accepted = {name.strip() for name, _, weight in offers if weight.strip() != "q=0"}
    return next((name for name in _ENCODERS if name in accepted), None)


def encode(chunks: Iterable[bytes], encoding: str | None) -> Iterator[bytes]:
    """Compress chunk by chunk; `encoding` is one that `choose` returned."""
    if encoding is None:
        yield from chunks
        return
    compress, finish = _ENCODERS[encoding]()
    for chunk in chunks:
        if compressed := compress(chunk):
            yield compressed
    yield finish()
