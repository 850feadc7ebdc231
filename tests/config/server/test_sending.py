"""What is left of a large answer that its client does not take."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any
from weakref import ReferenceType, ref

import pytest
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

from config.memory.room import Room, Share
from config.server import sending
from config.server.sending import Answer


class Left:
    """A piece whose client has left. Like those of granian, it keeps its error."""

    def __init__(self) -> None:
        self.error = ProtocolClosed()

    def __await__(self) -> Generator[None, None, None]:
        yield
        raise self.error


class NotTaken:
    """A piece that the client does not read."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from asyncio.get_running_loop().create_future()


class Client:
    """As granian's protocol and its transport."""

    def __init__(self, piece: Callable[[], Awaitable[None]]) -> None:
        self._piece = piece

    def response_stream(self, *_: Any) -> "Client":
        return self

    def send_bytes(self, _: bytes) -> Awaitable[None]:
        return self._piece()


@pytest.fixture
def _no_search_for_garbage() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def sent(client: Any) -> ReferenceType[Share]:
    """Bytes can't be watched. The answer's share of the room is where the answer is."""
    share = Share(Room(0), 0)
    await sending.send(client, Answer(200, [], b"x" * 100_000), share)
    return ref(share)


@pytest.mark.usefixtures("_no_search_for_garbage")
@pytest.mark.parametrize(("piece", "patience"), [(Left, 60), (NotTaken, 0)])
def test_an_answer_that_is_not_taken_is_free_at_once(
    piece: Callable[[], Awaitable[None]], patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.server.pace.PATIENCE_SECONDS", patience)
    assert asyncio.run(sent(Client(piece)))() is None
