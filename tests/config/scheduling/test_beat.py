"""Beat's end, at its worst moment."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from celery.beat import Scheduler

from embedded.supervision.processes import PROJECT

_in_use = threading.Lock()


def _tell_often() -> None:
    """As long as it takes to write the schedule down, and longer."""
    for _ in range(100):
        os.kill(os.getpid(), signal.Signals[os.environ["TOLD_BY"]])
        time.sleep(0.01)


class Told(Scheduler):  # type: ignore[misc]  # Celery ships no types
    """Is told to end while it holds what it needs to write its schedule down."""

    def tick(self, **_: object) -> float:
        with _in_use:
            threading.Thread(target=_tell_often, daemon=True).start()
            time.sleep(5)
        return 5

    def sync(self) -> None:
        with _in_use:
            time.sleep(0.2)
            sys.stderr.write("written down\n")


def beat_ended_by(name: str) -> str:
    """What it printed; it ended well."""
    scheduler = f"{__name__}:{Told.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "celery", "--app=config", "beat", f"--scheduler={scheduler}"],
        cwd=PROJECT,
        env={**os.environ, "TOLD_BY": name},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
    )
    return done.stdout


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_told_to_end_while_it_holds_a_lock_beat_ends_and_keeps_its_schedule(name: str) -> None:
    assert "written down" in beat_ended_by(name)
