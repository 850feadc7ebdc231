"""Work in the background: shared by who asks together, at once when it is pressing, until done."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from django.test import override_settings

from config.building_blocks.background_work import BackgroundWork
from events.delivery import background
from events.models import Batch
from events.storing.store import store
from projects.models import DEFAULT
from tests.samples import event, framed
from tests.waiting import wait_until

LONG = 60.0


class Work:
    """Counts its runs, and fails as often as it is told to."""

    def __init__(self, *, failures: int = 0) -> None:
        self.runs: list[float] = []
        self._failures = failures

    def __call__(self) -> bool:
        self.runs.append(time.monotonic())
        return len(self.runs) > self._failures


def background_work(work: Callable[[], bool], *, linger: float) -> BackgroundWork:
    return BackgroundWork("of a test", work, linger=linger, longest_pause=LONG)


def test_who_asks_within_the_linger_shares_a_run() -> None:
    work = Work()
    asked = background_work(work, linger=0.3)
    for _ in range(20):
        asked.soon()
    wait_until(lambda: bool(work.runs))
    time.sleep(0.5)
    assert len(work.runs) == 1


def test_what_is_pressing_ends_the_linger_once() -> None:
    work = Work()
    asked = background_work(work, linger=LONG)
    asked.soon()
    asked.soon(now=True)
    wait_until(lambda: len(work.runs) == 1)
    asked.soon()
    time.sleep(0.3)
    assert len(work.runs) == 1


def test_failed_work_is_repeated_after_pauses_that_no_hurry_shortens() -> None:
    work = Work(failures=2)
    asked = background_work(work, linger=0.05)
    asked.soon()
    wait_until(lambda: len(work.runs) == 1)
    for _ in range(100):
        asked.soon(now=True)
    wait_until(lambda: len(work.runs) >= 3)
    first, second, third = work.runs[:3]
    assert second - first >= 0.2
    assert third - second >= 0.5


@pytest.mark.usefixtures("stores")
def test_a_full_block_is_delivered_without_waiting_for_company(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = threading.Event()

    def deliver() -> bool:
        done.set()
        return True

    waiting = background_work(deliver, linger=LONG)
    monkeypatch.setattr(background, "_deliverer", waiting)
    monkeypatch.setattr(background, "_waiting", Counter())
    with override_settings(CLICKHOUSE_BATCH_SIZE=5):
        for stored in (2, 2):
            store(
                project=DEFAULT,
                frames=[framed([event() for _ in range(stored)])],
                source=Batch.Source.REQUEST,
            )
        assert not done.wait(0.3)
        store(project=DEFAULT, frames=[framed([event()])], source=Batch.Source.REQUEST)
        assert done.wait(5)
