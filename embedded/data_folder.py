"""The data folder: creates, checks and locks it, and announces the running stack in it."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from embedded import private_files
from embedded.supervision.processes import StackError, ignore

# How long to wait until the stores of a killed run have ended. They take a second or two, or more
# on a busy machine.
LEFTOVERS_SECONDS = 120
SAY_SECONDS = 5
ANNOUNCEMENT = "stack.env"
# While it is there, a restore has not put all data into the folder. It says from which backup.
UNFINISHED = "restore-unfinished"


@contextmanager
def claimed(folder: Path, *, say: Callable[[str], None] = ignore) -> Iterator[int]:
    """Hold `folder` for one run, creating it if needed; yields the lock's descriptor.

    The stores inherit the descriptor, so the folder stays claimed until the last of their
    processes is gone, even if the supervisor was killed. While it waits, it calls `say` with the
    reason. Raises StackError.
    """
    try:
        # Other users may enter, as PostgreSQL may run as another user, but may not list names.
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StackError(f"DATA_DIR={folder} cannot be used: {error.strerror}") from None
    try:
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise StackError(f"DATA_DIR={folder} can't be written by this user")
        _acquire(lock, folder, say)
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield lock
    finally:
        os.close(lock)


def _acquire(lock: int, folder: Path, say: Callable[[str], None]) -> None:
    began = said = time.monotonic()
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = int(os.pread(lock, 20, 0) or 0)
        if _runs(holder):
            raise StackError(f"DATA_DIR={folder} is in use by another run (pid {holder})")
        used = f"DATA_DIR={folder} is still in use by stores of an earlier run (pid {holder})"
        now = time.monotonic()
        if now > began + LEFTOVERS_SECONDS:
            raise StackError(used)
        if now > said + SAY_SECONDS:
            said = now
            say(f"Waiting: {used}")
        time.sleep(0.1)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return pid != 0


def mark_unfinished(folder: Path, backup: Path) -> None:
    """From now on nothing runs on `folder`, also if this process is killed."""
    private_files.write(folder / UNFINISHED, str(backup))


def mark_finished(folder: Path) -> None:
    (folder / UNFINISHED).unlink()


def require_finished(folder: Path) -> None:
    """Raises StackError if a restore into `folder` began and has not ended well."""
    if (folder / UNFINISHED).exists():
        raise StackError(unfinished(folder))


def unfinished(folder: Path) -> str:
    """What is wrong with a marked folder, and what to do."""
    backup = (folder / UNFINISHED).read_text()
    return (
        f"DATA_DIR={folder} has only a part of the backup {backup}, because the restore did not"
        f" finish. Delete {folder}, and run again: DATA_DIR={folder} make restore FROM={backup}"
    )


def fresh(folder: Path) -> Path:
    """An empty folder: nothing else removes what processes of an earlier run have left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def signing_key(folder: Path) -> str:
    """Django's key. An earlier version's shorter key is replaced, and everybody logs in again."""
    return private_files.secret(folder / "secret-key", length=50)


@contextmanager
def announced(folder: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """Keep `variables` in `stack.env`, where commands in other terminals look for them."""
    path = folder / ANNOUNCEMENT
    lines = [f"{name}={value}\n" for name, value in variables.items()]
    private_files.write(path, "".join(lines))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def announced_in(folder: Path) -> dict[str, str]:
    """What the stack that runs on `folder` has announced; empty if none runs."""
    try:
        lines = (folder / ANNOUNCEMENT).read_text().splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines)
