"""The stored form of an event, the same on the queue, in the outbox and on its way to ClickHouse.

A **frame** is a run of records as JSON lines, zstd-compressed: a request is cut into frames at the
door, frames travel on the queue, and the frames of a transaction, one behind the other, are the
outbox bytes that ClickHouse reads (zstd frames may be concatenated).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from threading import local

import msgspec
import zstandard

# The size of one queue message: small enough to spread over workers, large enough to amortize it.
FRAME_EVENTS = 1_000
# The same in bytes of its lines: 1,000 events may be 64 MB.
FRAME_BYTES = 8 * 1024 * 1024
# What the frames of one transaction, and of one block for ClickHouse, may decode to. A worker needs
# some four times as much for them, and ClickHouse as much again for its JSON columns.
BLOCK_BYTES = 32 * 1024 * 1024


class Record(msgspec.Struct):
    """One valid event. Field names are the columns of ClickHouse's table.

    `event_id` is a lower-case dashed UUID; `occurred_at` is `2026-01-01T00:00:00.123Z`, always
    UTC with milliseconds, so that text order is time order; `properties_text` is compact JSON.
    """

    event_id: str
    occurred_at: str
    user_id: str
    event_type: str
    properties_text: msgspec.Raw


_encode_lines = msgspec.json.Encoder().encode_lines
_decode_lines = msgspec.json.Decoder(Record).decode_lines


class _Codec(local):
    """zstd contexts may not be shared between threads, and making one costs more than a frame."""

    def __init__(self) -> None:
        # Level 1: levels above gain a few percent and cost twice the time on such lines.
        self.compress = zstandard.ZstdCompressor(level=1).compress
        self._decompressor = zstandard.ZstdDecompressor()

    def decompress(self, data: bytes) -> bytes:
        return self._decompressor.stream_reader(data, read_across_frames=True).readall()


_codec = _Codec()


def timestamp(moment: datetime) -> str:
    """An aware datetime as stored: UTC, cut (not rounded) to the millisecond."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def frame(records: Sequence[Record]) -> bytes:
    return _codec.compress(_encode_lines(records))


def frames(records: Sequence[Record]) -> Iterator[tuple[bytes, int]]:
    """Frames of at most FRAME_EVENTS records and FRAME_BYTES, each with its count."""
    for start in range(0, len(records), FRAME_EVENTS):
        yield from _halved(records[start : start + FRAME_EVENTS])


def _halved(records: Sequence[Record]) -> Iterator[tuple[bytes, int]]:
    """One frame, or those of either half if it would be too large."""
    lines = _encode_lines(records)
    if len(lines) <= FRAME_BYTES or len(records) == 1:
        yield _codec.compress(lines), len(records)
        return
    half = len(records) // 2
    yield from _halved(records[:half])
    yield from _halved(records[half:])


def decoded_bytes(data: bytes) -> int:
    """What one frame decodes to, without decoding it: `frame` has written it into its head."""
    return max(0, zstandard.frame_content_size(data))


def groups(frames: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The frames in order, as many together as decode to FRAME_BYTES, or one that is larger."""
    group: list[bytes] = []
    for data in frames:
        if group and sum(map(decoded_bytes, group)) + decoded_bytes(data) > FRAME_BYTES:
            yield group
            group = []
        group.append(data)
    if group:
        yield group


def lines_bytes(records: Sequence[Record]) -> int:
    """What a frame of the records would decode to."""
    return len(_encode_lines(records))


def by_day_and_type(records: Iterable[Record]) -> Counter[tuple[date, str]]:
    """How many there are of each UTC day and event type."""
    return Counter((date.fromisoformat(r.occurred_at[:10]), r.event_type) for r in records)


def unframe(data: bytes) -> list[Record]:
    """The records of one frame, or of several one behind the other, in order."""
    return _decode_lines(_codec.decompress(data))
