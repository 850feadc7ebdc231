"""Ends beat safely: Celery's own way can hang for ever.

Celery's signal handler saves the schedule before it raises SystemExit. If a signal arrives while
the program holds a lock, such as that of the connection pool, the handler waits for the code that
it interrupted. Our handler only raises; the schedule is saved on the way out.
"""

import signal
from types import FrameType

from celery.apps.beat import Beat
from celery.beat import Service

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


def install() -> None:
    Beat.install_sync_handler = _install_handler


def _install_handler(beat: Beat, service: Service) -> None:
    def end(number: int, frame: FrameType | None) -> None:
        # A second signal would interrupt this handler, or the saving of the schedule.
        for other in _NUMBERS:
            signal.signal(other, signal.SIG_IGN)
        service._is_shutdown.set()  # in case a destructor swallows SystemExit
        raise SystemExit

    for number in _NUMBERS:
        signal.signal(number, end)
