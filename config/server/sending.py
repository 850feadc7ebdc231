"""Sends a large answer in pieces, no faster than the client reads them.

If it were sent at once, the whole answer would stay in memory until the client has read it,
however slowly.
"""

from typing import NamedTuple

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError  # type: ignore[attr-defined]

from config.memory import room
from config.memory.room import SMALL_BYTES, Share
from config.server.pace import Pace

_PIECE_BYTES = 64 * 1024


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    data: bytes

    @property
    def is_large(self) -> bool:
        return len(self.data) > SMALL_BYTES


async def send(protocol: HTTPProtocol, answer: Answer, share: Share | None) -> None:
    """Send the answer; stop when the client has left or is too slow."""
    if share and share.size > len(answer.data):
        # The data that the answer was made from is no longer in memory.
        share.resize(len(answer.data))
    transport = protocol.response_stream(answer.status, answer.headers)
    data, pace = memoryview(answer.data), Pace(room.work)
    try:
        for start in range(0, len(data), _PIECE_BYTES):
            piece = bytes(data[start : start + _PIECE_BYTES])
            await pace.wait(transport.send_bytes(piece))
            pace.note(len(piece))
    except (ProtocolClosed, ProtocolError, TimeoutError) as error:
        # The piece keeps the error, which knows this frame: the answer would stay in memory until
        # Python's garbage collector runs.
        error.__traceback__ = None
