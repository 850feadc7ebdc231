"""Work that threads share: what comes while one of them works, the next one does in one go."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Part(Generic[T, R]):
    """What one thread wants to have done. Until it is done, its result is an error."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.is_done = False
        self.result: R | Exception = RuntimeError("the thread that did this work has ended")


class Together(Generic[T, R]):
    """`work` gets the items of several threads in the order in which they came.

    It returns a result for each, which may be an error. If it raises, the error is the result of
    all of them. No thread waits for a timer: one that finds nobody at work works at once.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R | Exception]]) -> None:
        self._work = work
        self._parts: list[_Part[T, R]] = []
        self._gathering, self._working = Lock(), Lock()

    def __call__(self, item: T) -> R | Exception:
        """The result of the item. An error is returned: several threads may get the same one."""
        mine: _Part[T, R] = _Part(item)
        with self._gathering:
            self._parts.append(mine)
        with self._working:
            if not mine.is_done:
                self._work_on_all()
        return mine.result

    def _work_on_all(self) -> None:
        with self._gathering:
            parts, self._parts = self._parts, []
        results: Sequence[R | Exception]
        try:
            results = self._work([part.item for part in parts])
        except Exception as error:
            results = [error] * len(parts)
        for part, result in zip(parts, results, strict=True):
            part.result, part.is_done = result, True
