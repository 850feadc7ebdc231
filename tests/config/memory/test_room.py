"""Room for bodies: shares, turns, and what is free again."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from config.memory import room
from config.memory.room import MAX_BODY_BYTES, NoRoom, Room, Share


def run(scene: Callable[[Room], Awaitable[None]]) -> None:
    async def play() -> None:
        await scene(Room(100))

    asyncio.run(play())


def test_what_fits_comes_in_at_once_and_the_rest_when_it_is_free_again() -> None:
    async def scene(place: Room) -> None:
        first = await place.take(60, seconds=5)
        second = asyncio.create_task(place.take(60, seconds=5))
        await asyncio.sleep(0.05)
        assert not second.done()
        assert place.is_crowded
        first.release()
        (await second).release()
        await place.take(100, seconds=0.1)

    run(scene)


def test_clients_are_let_in_in_the_order_they_came() -> None:
    async def scene(place: Room) -> None:
        first = await place.take(60, seconds=5)
        large = asyncio.create_task(place.take(100, seconds=5))
        await asyncio.sleep(0)
        small = asyncio.create_task(place.take(10, seconds=5))
        await asyncio.sleep(0.05)
        assert not small.done()
        first.release()
        (await large).release()
        await small

    run(scene)


def test_one_who_waits_in_vain_is_told_and_holds_up_nobody() -> None:
    async def scene(place: Room) -> None:
        await place.take(60, seconds=5)
        with pytest.raises(NoRoom):
            await place.take(60, seconds=0.05)
        assert not place.is_crowded
        await place.take(40, seconds=0.1)

    run(scene)


def test_when_a_waiting_client_gives_up_the_next_have_their_turn() -> None:
    async def scene(place: Room) -> None:
        await place.take(60, seconds=5)
        vain = asyncio.create_task(place.take(60, seconds=0.5))
        await asyncio.sleep(0)
        behind = asyncio.create_task(place.take(40, seconds=30))
        with pytest.raises(NoRoom):
            await vain
        await behind

    run(scene)


def test_one_who_is_cancelled_while_waiting_leaves_no_trace() -> None:
    async def scene(place: Room) -> None:
        first = await place.take(60, seconds=5)
        waiting = asyncio.create_task(place.take(60, seconds=5))
        await asyncio.sleep(0.05)
        first.release()  # admitted, and cancelled before it hears of it
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0.05)
        await place.take(100, seconds=0.1)

    run(scene)


def test_a_thread_that_needs_less_lets_the_next_in() -> None:
    async def scene(place: Room) -> None:
        share = await place.take(90, seconds=5)
        second = asyncio.create_task(place.take(50, seconds=5))
        await asyncio.sleep(0.05)
        threading.Thread(target=share.resize, args=[10]).start()
        await second

    run(scene)


def test_a_large_body_that_grows_beyond_the_room_is_refused() -> None:
    async def scene(_: Room) -> None:
        place = Room(room.work_bytes(MAX_BODY_BYTES) + 1_000_000)
        first, second = await place.take(1, seconds=1), await place.take(1, seconds=1)
        with room.held(first):
            room.need_for_body(10_000_000)
        with room.held(second), pytest.raises(NoRoom):
            room.need_for_body(10_000_000)
        with room.held(first):
            # The one that was first has room to its end.
            room.need_for_body(MAX_BODY_BYTES)
            room.need(room.work_bytes(1_000, events=1))
        with room.held(second):
            room.need_for_body(MAX_BODY_BYTES)

    run(scene)


def test_a_small_body_that_grows_waits_in_its_thread_until_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(_: Room) -> None:
        place = Room(room.work_bytes(MAX_BODY_BYTES) + 1_000_000)
        monkeypatch.setattr(room, "work", place)
        first, second = await place.take(2_000_000, seconds=1), await place.take(1, seconds=1)

        def grow() -> None:
            with room.held(second):
                room.need_for_body(1_000_000)

        growing = asyncio.create_task(asyncio.to_thread(grow))
        await asyncio.sleep(0.05)
        assert not growing.done()
        first.release()
        await growing
        assert second.size == room.work_bytes(MAX_BODY_BYTES)

    run(scene)


def test_an_answer_that_fits_is_made_without_a_turn_of_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "work", Room(1_000_000))
    share = Share(room.work, 0)
    with room.held(share):
        room.need_for_answer(500_000)
    assert share.size == 500_000


def test_the_largest_body_fits_by_itself() -> None:
    assert room.work_bytes(MAX_BODY_BYTES) < room.work.size
    assert room.coming.size > MAX_BODY_BYTES
