"""A large answer on its way out: in pieces, and no faster than the client takes them.

All at once it would lie in memory until the client has it, however slowly that reads.
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
    """Cut off where the client has left or is too slow."""
    if share and share.size > len(answer.data):
        # What it was made of is gone.
        share.resize(len(answer.data))
    transport = protocol.response_stream(answer.status, answer.headers)
    data, pace = memoryview(answer.data), Pace(room.work)
    try:
        for start in range(0, len(data), _PIECE_BYTES):
            piece = bytes(data[start : start + _PIECE_BYTES])
            await pace.wait(transport.send_bytes(piece))
            pace.note(len(piece))
    except (ProtocolClosed, ProtocolError, TimeoutError):
        return
