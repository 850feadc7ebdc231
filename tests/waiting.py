"""Waiting for what happens in other threads and processes, with a bound."""

import time
from collections.abc import Callable


def wait_until(
    done: Callable[[], object], *, seconds: float = 60, every: float = 0.02, what: str = ""
) -> None:
    """`seconds` bounds a failure: for what takes two, 20 were too few on a machine with others."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"waited in vain {what}"
        time.sleep(every)
