"""Work that coroutines share: what comes within a turn of the event loop is done in one go.

`together` is the same for threads.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Turns(Generic[T, R]):
    """`work` gets items in the order in which they came, in a thread of its own.

    It returns a result for each. If it raises, all of them raise. What comes while it works waits
    for its next turn. Nothing waits for a timer: if nobody is at work, work begins in this turn.
    """

    def __init__(self, name: str, work: Callable[[Sequence[T]], Sequence[R]]) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._is_at_work = False

    async def __call__(self, item: T) -> R:
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, mine))
        if not self._is_at_work:
            self._is_at_work = True
            loop.call_soon(self._begin, loop)
        return await mine

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        parts, self._waiting = self._waiting, []
        waiting = [mine for _, mine in parts]
        try:
            done = loop.run_in_executor(self._thread, self._work, [item for item, _ in parts])
        except Exception as error:  # no thread can be had: those who come later try again
            self._is_at_work = False
            _settle(waiting, error)
        else:
            done.add_done_callback(partial(self._tell, loop, waiting))

    def _tell(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting: Sequence[asyncio.Future[R]],
        done: asyncio.Future[Sequence[R]],
    ) -> None:
        error = done.exception()
        _settle(waiting, error or done.result())
        if self._waiting:
            self._begin(loop)
        else:
            self._is_at_work = False


def _settle(waiting: Sequence[asyncio.Future[R]], found: Sequence[R] | BaseException) -> None:
    for place, mine in enumerate(waiting):
        if mine.done():  # its client has left
            continue
        if isinstance(found, BaseException):
            mine.set_exception(found)
        else:
            mine.set_result(found[place])
