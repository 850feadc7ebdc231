"""One thread a process that delivers shortly after a commit; no caller waits for ClickHouse.

Whatever it misses (the process killed, ClickHouse gone) beat finds in the outbox later.
"""

import os
import threading
import time

from django.conf import settings
from django.db import close_old_connections
from structlog import get_logger

from events.deliver import deliver_due

log = get_logger(__name__)

_LONGEST_PAUSE_SECONDS = 10.0

_wanted = threading.Event()
_lock = threading.Lock()
_owner = 0


def deliver_soon() -> None:
    """Ask this process's delivery thread to look at the outbox; returns at once."""
    _ensure_thread()
    _wanted.set()


def _ensure_thread() -> None:
    """Start the thread once in each process: threads do not live on in a forked child."""
    global _owner  # noqa: PLW0603
    if _owner == os.getpid():
        return
    with _lock:
        if _owner != os.getpid():
            _owner = os.getpid()
            threading.Thread(target=_run, name="deliver", daemon=True).start()


def _run() -> None:
    linger = settings.DELIVERY_LINGER_MILLISECONDS / 1000
    pause = linger
    while True:
        _wanted.wait()
        # Batches that commit meanwhile share the block: ClickHouse likes few large inserts. After
        # a failure the pause grows, or each look at a dead ClickHouse would use up a batch's
        # chance to be merged.
        time.sleep(pause)
        _wanted.clear()
        if _deliver():
            pause = linger
        else:
            pause = min(pause * 2 + 0.1, _LONGEST_PAUSE_SECONDS)
            _wanted.set()


def _deliver() -> bool:
    """Whether all went well; the thread must outlive whatever happens."""
    try:
        close_old_connections()
        return not deliver_due().failed
    except Exception:
        # PostgreSQL gone, most likely. The outbox keeps everything.
        log.exception("delivery_thread_failed")
        return False
    finally:
        close_old_connections()
