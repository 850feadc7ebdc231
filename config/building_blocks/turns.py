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
        done = loop.run_in_executor(self._thread, self._work, [item for item, _ in parts])
        done.add_done_callback(partial(self._tell, loop, [mine for _, mine in parts]))

    def _tell(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting: Sequence[asyncio.Future[R]],
        done: asyncio.Future[Sequence[R]],
    ) -> None:
        if self._waiting:
            self._begin(loop)
        else:
            self._is_at_work = False
        error = done.exception()
        results = [None] * len(waiting) if error else done.result()
        for mine, result in zip(waiting, results, strict=True):
            if mine.done():  # its client has left
                continue
            if error:
                mine.set_exception(error)
            else:
                mine.set_result(result)  # type: ignore[arg-type]
