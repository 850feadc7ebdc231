"""Work that nobody waits for. One thread per process does it, shortly after it was asked for."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext

from django.db import close_old_connections
from structlog import get_logger

from config.building_blocks import silence

log = get_logger(__name__)


class BackgroundWork:
    """Runs `work` once for all calls of `soon` within `linger` seconds, and again while it fails.

    A call with `now=True` ends that time. `linger` may be changed at any time.

    `work` returns whether all went well. If not, it is repeated after a pause that grows up to
    `longest_pause` seconds. Where it is `patient`, its statements have no time limit, also in a web
    process: what deletes or counts many rows would otherwise fail each time.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], bool],
        *,
        linger: float,
        longest_pause: float,
        patient: bool = False,
    ) -> None:
        self._name, self._work, self._patient = name, work, patient
        self.linger, self._longest_pause = linger, longest_pause
        self._wanted, self._now = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._owner = 0

    def soon(self, *, now: bool = False) -> None:
        """Ask for the work. Returns at once."""
        self._ensure_thread()
        if now:
            self._now.set()
        self._wanted.set()

    def _ensure_thread(self) -> None:
        """Start the thread once in each process: threads do not live on in a forked child."""
        if self._owner == os.getpid():
            return
        with self._starting:
            if self._owner != os.getpid():
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
                # Only when the thread runs: if no thread can be started now, a later call may start
                # it.
                self._owner = os.getpid()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._now.wait(self.linger)
            self._wanted.clear()
            self._now.clear()
            pause = self.linger
            while not self._succeeds():
                # `now` does not shorten this pause: it does not bring back a store that is down.
                pause = min(pause * 2 + 0.1, self._longest_pause)
                time.sleep(pause)

    def _succeeds(self) -> bool:
        """Whether the work went well.

        No error may end the thread, not even when its connection is closed.
        """
        try:
            close_old_connections()
            try:
                with silence.limited(None) if self._patient else nullcontext():
                    return self._work()
            finally:
                close_old_connections()
        except Exception:
            # Most likely PostgreSQL is gone.
            log.exception("background_work_failed", work=self._name)
            return False
