"""Work that threads share: what comes meanwhile is done in one go, and nobody gets another's."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from config.building_blocks.together import Together
from tests.waiting import wait_until


class Work:
    """Notes what it gets at once. The first call waits until it may go on."""

    def __init__(self, *, ends_a_thread: bool = False) -> None:
        self.calls: list[list[int]] = []
        self.may_go_on = Event()
        self._ends_a_thread = ends_a_thread

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.calls.append(list(items))
        if len(self.calls) == 1:
            self.may_go_on.wait(20)
            if self._ends_a_thread:
                raise SystemExit
        if 13 in items:
            raise ValueError("13")
        return [KeyError(item) if item < 0 else item * 2 for item in items]


def test_what_comes_while_one_works_is_done_in_one_go_in_its_order() -> None:
    work = Work()
    together = Together(work)
    with ThreadPoolExecutor(5) as threads:
        first = threads.submit(together, 1)
        wait_until(lambda: work.calls == [[1]])
        others = []
        for item in (2, 3, -4, 5):
            others.append(threads.submit(together, item))
            wait_until(lambda: len(together._parts) == len(others))
        work.may_go_on.set()
        assert first.result() == 2
        said = [other.result() for other in others]
    assert work.calls == [[1], [2, 3, -4, 5]]
    assert [said[0], said[1], said[3]] == [4, 6, 10]
    assert isinstance(said[2], KeyError)


def test_an_error_of_the_work_is_of_all_that_were_done_in_one_go_and_of_no_other() -> None:
    work = Work()
    together = Together(work)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(together, 1)
        wait_until(lambda: work.calls == [[1]])
        others = [threads.submit(together, item) for item in (13, 7)]
        wait_until(lambda: len(together._parts) == 2)
        work.may_go_on.set()
        assert first.result() == 2
        assert [str(other.result()) for other in others] == ["13", "13"]
    assert together(7) == 14


def test_what_nobody_did_is_not_said_to_be_done() -> None:
    """The thread that took it along has ended in the middle of the work."""
    work = Work(ends_a_thread=True)
    together = Together(work)
    with ThreadPoolExecutor(2) as threads:
        with together._working:
            parts = [threads.submit(together, item) for item in (1, 2)]
            wait_until(lambda: len(together._parts) == 2)
        work.may_go_on.set()
        with pytest.raises(SystemExit):
            raise next(error for part in parts if (error := part.exception()))
        said = [part.result() for part in parts if not part.exception()]
    assert [type(one) for one in said] == [RuntimeError]
