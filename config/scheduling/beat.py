"""The end of beat: Celery's own way can hang for ever.

Its signal handler writes the schedule down before it raises SystemExit. A signal that arrives while
the program holds a lock, that of the connection pool say, has the handler wait for what it
interrupted. Ours only raises; the schedule is written down on the way out.
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
        # The next would interrupt this handler, or the schedule being written down.
        for other in _NUMBERS:
            signal.signal(other, signal.SIG_IGN)
        service._is_shutdown.set()  # for where a destructor swallows what is raised
        raise SystemExit

    for number in _NUMBERS:
        signal.signal(number, end)
