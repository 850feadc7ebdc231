"""Taking bodies in: which are files, and the room they give back however they end."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest
from granian.rsgi import HTTPProtocol, ProtocolClosed, Scope  # type: ignore[attr-defined]

from config.memory import room
from config.memory.room import MAX_BODY_BYTES, SMALL_BYTES, Room
from config.server import body, pace
from config.server.body import FILES_AT_ONCE, Body

LARGE = 1_000_000
ROOMS = ("coming", "work", "small_work")


@pytest.fixture(autouse=True)
def _rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rooms that no other body has a share of; nobody waits long for what does not come."""
    for name in ROOMS:
        monkeypatch.setattr(room, name, Room(getattr(room, name).size))
    for module in (body, pace):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(body, "ROOM_SECONDS", 0.1)
    monkeypatch.setattr(body, "_open_files", 0)


class Client:
    """Sends so many bytes of its body; then it is done, leaves, or is silent."""

    def __init__(self, size: int, then: str = "is done") -> None:
        self.left, self.then = size, then
        self.was_asked = False

    def __aiter__(self) -> "Client":
        return self

    async def __anext__(self) -> bytes:
        self.was_asked = True
        size = min(self.left, 300_000)
        self.left -= size
        if not size and self.then == "leaves":
            raise ProtocolClosed
        if not size and self.then == "is silent":
            await asyncio.sleep(60)
        if not size:
            raise StopAsyncIteration
        return b" " * size

    async def __call__(self) -> bytes:
        return b"".join([piece async for piece in self])


async def take_in(client: Client, length: int, path: str = "/events", **headers: str) -> Body:
    headers["content-length"] = str(length)
    scope = cast(Scope, SimpleNamespace(path=path, headers=headers))
    return await body.take_in(scope, cast(HTTPProtocol, client))


async def assert_free(*names: str) -> None:
    """All of those rooms."""
    for name in names:
        place: Room = getattr(room, name)
        (await place.take(place.size, seconds=0.1)).release()


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


@pytest.mark.parametrize("length", [5, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("then", "status"), [("is done", None), ("leaves", None), ("is silent", 408)]
)
def test_a_body_gives_its_room_back_however_it_ends(
    length: int, then: str, status: int | None
) -> None:
    async def scene() -> None:
        sent = length if then == "is done" else length // 2
        taken = await take_in(Client(sent, then), length)
        assert (taken.refusal.status if taken.refusal else None) == status
        # Only the rest of one that is silent may still come.
        assert taken.is_unread == (then == "is silent")
        # It is worked on now, and comes no more.
        await assert_free("coming")
        taken.release()
        assert taken.stream.closed
        await assert_free(*ROOMS)

    play(scene)


def test_a_body_that_is_worked_on_has_its_room_until_it_is_answered() -> None:
    async def scene() -> None:
        taken = await take_in(Client(LARGE), LARGE)
        with pytest.raises(room.NoRoom):
            await assert_free("work")
        taken.release()
        await assert_free("work")

    play(scene)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("", 1_000), ("identity", 1_000), ("gzip", 50_000), ("zstd", 50_000)],
)
def test_a_compressed_body_has_room_to_become_so_many_times_as_large(
    encoding: str, expected: int
) -> None:
    async def scene() -> None:
        taken = await take_in(Client(1_000), 1_000, **{"content-encoding": encoding})
        assert taken.share is not None
        assert taken.share.size == room.work_bytes(expected)

    play(scene)


class Trickling(Client):
    """Sends a byte at a time, without a long pause."""

    async def __anext__(self) -> bytes:
        await asyncio.sleep(0.02)
        return b" "


def test_a_client_that_trickles_loses_its_room_to_one_who_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "_SLOW_SECONDS", 0.1)
    for module in (body, pace):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 20)

    async def scene() -> None:
        coming = asyncio.create_task(take_in(Trickling(LARGE), LARGE))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(room.coming.take(room.coming.size, seconds=20))
        taken = await asyncio.wait_for(coming, 10)
        assert taken.refusal is not None
        assert taken.refusal.status == 408
        (await waiting).release()

    play(scene)


@pytest.mark.parametrize("full", ["coming", "work"])
def test_a_body_that_there_is_no_room_for_takes_none(full: str) -> None:
    async def scene() -> None:
        place: Room = getattr(room, full)
        others = await place.take(place.size, seconds=1)
        client = Client(LARGE)
        taken = await take_in(client, LARGE)
        assert taken.refusal
        assert taken.refusal.status == 503
        # It came to its end, or its client would not hear that.
        assert (client.left, taken.is_unread) == (0, False)
        taken.release()
        others.release()
        await assert_free(*ROOMS)

    play(scene)


def test_a_small_body_is_taken_though_there_is_no_room_for_large_ones() -> None:
    async def scene() -> None:
        for name in ("coming", "work"):
            place: Room = getattr(room, name)
            await place.take(place.size, seconds=1)
        assert not (await take_in(Client(SMALL_BYTES), SMALL_BYTES)).refusal
        assert (await take_in(Client(SMALL_BYTES + 1), SMALL_BYTES + 1)).refusal

    play(scene)


def test_a_body_may_have_as_many_bytes_as_the_refusal_says() -> None:
    async def scene() -> None:
        taken = await take_in(Client(MAX_BODY_BYTES), MAX_BODY_BYTES)
        assert (taken.refusal, len(taken.stream.read())) == (None, MAX_BODY_BYTES)

    play(scene)


@pytest.mark.parametrize(
    ("headers", "asked"),
    [({}, False), ({"content-length": "0"}, False), ({"transfer-encoding": "chunked"}, True)],
    ids=["none", "of no bytes", "chunked"],
)
def test_no_body_is_asked_for_but_one_that_comes(headers: dict[str, str], asked: bool) -> None:
    async def scene() -> None:
        client = Client(LARGE)
        scope = cast(Scope, SimpleNamespace(path="/events", headers=headers))
        taken = await body.take_in(scope, cast(HTTPProtocol, client))
        assert (client.was_asked, client.left) == (asked, 0 if asked else LARGE)
        assert (taken.stream.read(), taken.is_unread) == (b"", False)

    play(scene)


def test_of_a_body_that_is_not_taken_so_many_bytes_are_read_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "_UNHEARD_BYTES", 900_000)

    async def scene() -> None:
        size = MAX_BODY_BYTES + 1
        client = Client(size)
        assert (await take_in(client, size)).is_unread
        assert client.left == size - 900_000

    play(scene)


def test_a_client_that_is_stopped_while_it_sends_leaves_its_room() -> None:
    async def scene() -> None:
        coming = asyncio.ensure_future(take_in(Client(5, "is silent"), LARGE))
        await asyncio.sleep(0.05)
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await assert_free(*ROOMS)

    play(scene)


def test_a_client_is_not_asked_for_a_body_that_is_refused() -> None:
    async def scene() -> None:
        size = MAX_BODY_BYTES + 1
        client, waiting = Client(size), Client(size)
        assert not (await take_in(client, size)).is_unread
        assert (await take_in(waiting, size, expect="100-continue")).is_unread
        assert (client.was_asked, waiting.was_asked) == (True, False)

    play(scene)


@pytest.mark.parametrize("path", ["/imports", "/admin/importer/import/add/"])
def test_a_file_has_any_size_and_is_left_to_a_thread(path: str) -> None:
    async def scene() -> None:
        client = Client(5)
        taken = await take_in(client, 10**12, path)
        assert (taken.refusal, taken.is_unread, client.was_asked) == (None, True, False)
        taken.release()

    play(scene)


@pytest.mark.parametrize("then", ["is done", "leaves", "is silent"])
def test_a_thread_reads_a_file_as_far_as_it_comes(then: str) -> None:
    async def scene() -> None:
        taken = await take_in(Client(LARGE, then), LARGE, "/imports")
        assert await asyncio.to_thread(taken.stream.read) == b" " * LARGE
        assert not taken.is_unread
        taken.release()

    play(scene)


def test_only_so_many_files_come_in_at_once_and_each_leaves_its_place() -> None:
    async def scene() -> None:
        files = [await take_in(Client(5), LARGE, "/imports") for _ in range(FILES_AT_ONCE)]
        one_more = await take_in(Client(5), LARGE, "/imports")
        refusals = [taken.refusal.status if taken.refusal else None for taken in (*files, one_more)]
        assert refusals == [None] * FILES_AT_ONCE + [503]
        assert one_more.is_unread
        one_more.release()
        files.pop().release()
        files.append(await take_in(Client(5), LARGE, "/imports"))
        assert not files[-1].refusal
        assert (await take_in(Client(5), LARGE, "/imports")).refusal
        for taken in files:
            taken.release()

    play(scene)


@pytest.mark.parametrize(
    "path",
    [
        *("/imports/", "/imports/1", "/importsx", "/x/imports", "/IMPORTS", "/"),
        *("/admin/importer/import/", "/admin/importer/import/add", "/admin/importer/import/add/x"),
        *("/admin/importer/import/1/change/", "/admin/login/"),
    ],
)
def test_no_other_path_takes_a_body_of_any_size(path: str) -> None:
    async def scene() -> None:
        taken = await take_in(Client(0), MAX_BODY_BYTES + 1, path)
        assert taken.refusal
        assert taken.refusal.status == 413

    play(scene)
