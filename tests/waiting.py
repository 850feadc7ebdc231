"""Waiting for what happens in other threads and processes, with a bound."""

import time
from collections.abc import Callable

from events.delivery.deliver import deliver_due
from events.models import Batch


def wait_until(done: Callable[[], object], *, seconds: float = 60) -> None:
    """`seconds` bounds a failure: for what takes two, 20 were too few on a machine with others."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def deliver_all() -> None:
    """Everything in the outbox is in ClickHouse, whoever brought it there."""

    def empty() -> bool:
        deliver_due()
        return not Batch.objects.filter(state=Batch.State.PENDING).exists()

    wait_until(empty)
