"""The end of beat: Celery's own way can hang for ever.

Its signal handler writes the schedule down before it raises SystemExit. A signal that arrives while
the program holds a lock, that of the connection pool say, has the handler wait for what it
interrupted. Ours only raises; the schedule is written down on the way out.
"""

import signal
from types import FrameType

from celery.beat import Service
from celery.signals import beat_init


def install() -> None:
    beat_init.connect(_end_without_a_wait, dispatch_uid=__name__)


def _end_without_a_wait(sender: Service, **_: object) -> None:
    def end(number: int, frame: FrameType | None) -> None:
        sender._is_shutdown.set()  # for where a destructor swallows what is raised
        raise SystemExit

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
