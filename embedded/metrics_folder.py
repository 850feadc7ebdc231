"""The folder in which the service's processes count together: in memory, where that is possible.

Its files are mapped into memory. A process that counts where the disk has no page left for such a
file is killed by SIGBUS, so they are not on the disk with the data.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded import data_folder

MEMORY = Path("/dev/shm")  # noqa: S108 - not for files of other users: the folder is ours alone
PREFIX = "events-analytics-metrics-"
# Ten times what a stack takes. A container has 64 MB by default.
LEAST_BYTES = 32 * 2**20


@contextmanager
def made(data: Path) -> Iterator[Path]:
    """An empty folder that nobody else may read, until the end of the context.

    It is below `data` if there is no room in memory.
    """
    _remove_left()
    if not _has_room():
        yield data_folder.fresh(data / "metrics")
        return
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY))
    lock = _locked(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _has_room() -> bool:
    return os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free >= LEAST_BYTES


def _remove_left() -> None:
    """Remove the folders of stacks that were killed. That of a stack that runs is locked."""
    for folder in MEMORY.glob(f"{PREFIX}*"):
        if (lock := _locked(folder)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """The descriptor of the folder, locked until it is closed; None if another process has it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # somebody else's, or removed a moment ago
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
