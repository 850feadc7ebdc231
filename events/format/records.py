"""The stored form of an event: the same on the queue, in the outbox and on its way to ClickHouse.

A **frame** holds several records as JSON lines, compressed with zstd. The web server cuts a request
into frames and puts them on the queue. The outbox holds the frames of one transaction, one after
another, and ClickHouse reads these bytes as they are (zstd frames may be concatenated).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from threading import local
from uuid import UUID

import msgspec
import zstandard

from analytics.zones import day_of

# Events in one queue message: few enough to spread over workers, many enough to make a message's
# own cost small.
FRAME_EVENTS = 1_000
# The most bytes that the lines of a frame may have: 1,000 events can have 64 MB.
FRAME_BYTES = 8 * 1024 * 1024
# The frames of one transaction, and of one block for ClickHouse, may decode to this many bytes. A
# worker needs about four times as much memory for them, and ClickHouse needs as much again for its
# JSON columns.
BLOCK_BYTES = 32 * 1024 * 1024


class Record(msgspec.Struct, gc=False):
    """One valid event. Field names are the columns of ClickHouse's table.

    `event_id` is a lower-case dashed UUID; `occurred_at` is `2026-01-01T00:00:00.123Z`, always
    UTC with milliseconds, so that text order is time order; `properties_text` is compact JSON.
    A record is in no cycle, so the search for garbage leaves it out.
    """

    event_id: str
    occurred_at: str
    user_id: str
    event_type: str
    properties_text: msgspec.Raw


_encode_lines = msgspec.json.Encoder().encode_lines
_decode_lines = msgspec.json.Decoder(Record).decode_lines
_encode = msgspec.json.Encoder().encode
_decode_texts = msgspec.json.Decoder(list[str]).decode


class _Codec(local):
    """The zstd contexts of one thread.

    Threads may not share a context, and making one costs more than compressing a frame.
    """

    def __init__(self) -> None:
        # Higher levels save a few percent of the size and take twice the time on such lines.
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


def timestamps(moments: Sequence[datetime]) -> list[str]:
    """What `timestamp` returns for each moment, in a seventh of the time."""
    in_utc = [one if one.tzinfo is UTC else one.astimezone(UTC) for one in moments]
    # Without a fraction of a second, or with one of six digits.
    return [text[:23] + "Z" if len(text) == 27 else text[:-1] + ".000Z" for text in _texts(in_utc)]


def id_texts(ids: Sequence[UUID]) -> list[str]:
    """What `str` returns for each id, in a fifth of the time."""
    return _texts(ids)


def _texts(values: Sequence[datetime] | Sequence[UUID]) -> list[str]:
    return _decode_texts(_encode(values))


def frame(records: Sequence[Record]) -> bytes:
    return _codec.compress(_encode_lines(records))


def frames(records: Sequence[Record]) -> Iterator[tuple[bytes, int]]:
    """Yield frames of at most FRAME_EVENTS records and FRAME_BYTES of lines, each with its count.

    A record larger than FRAME_BYTES is a frame by itself.
    """
    for start in range(0, len(records), FRAME_EVENTS):
        yield from _halved(records[start : start + FRAME_EVENTS])


def _halved(records: Sequence[Record]) -> Iterator[tuple[bytes, int]]:
    """Yield one frame. If it would be too large, yield the frames of both halves instead."""
    lines = _encode_lines(records)
    if len(lines) <= FRAME_BYTES or len(records) == 1:
        yield _codec.compress(lines), len(records)
        return
    half = len(records) // 2
    yield from _halved(records[:half])
    yield from _halved(records[half:])


def decoded_bytes(data: bytes) -> int:
    """Return the bytes that one frame decodes to, from its header; 0 if the header lacks them."""
    return max(0, zstandard.frame_content_size(data))


def groups(frames: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the frames in order, in groups that decode to at most FRAME_BYTES.

    A larger frame is a group by itself.
    """
    group: list[bytes] = []
    for data in frames:
        if group and sum(map(decoded_bytes, group)) + decoded_bytes(data) > FRAME_BYTES:
            yield group
            group = []
        group.append(data)
    if group:
        yield group


def lines_bytes(records: Sequence[Record]) -> int:
    """Return the bytes that a frame of the records would decode to."""
    return len(_encode_lines(records))


def by_day_and_type(records: Iterable[Record], *, zone: str) -> Counter[tuple[date, str]]:
    """Count the records of each event type and day of the zone."""
    return Counter(
        (day_of(datetime.fromisoformat(r.occurred_at), zone), r.event_type) for r in records
    )


def unframe(data: bytes) -> list[Record]:
    """Return the records of one frame, or of several concatenated frames, in order.

    Raises ZstdError, MsgspecError or UnicodeDecodeError if they can't be read.
    """
    return _decode_lines(_codec.decompress(data))
