"""A disk that is soon full: a tmpfs, which is gone with the process that mounted it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# It reads to the end of a pipe whose other end nobody has but the process of the tests. So it also
# unmounts when that is killed, and its own session keeps it from being killed with it.
_UNMOUNT = 'cat; umount -l "$1"'


@contextmanager
def small_disk(folder: Path, *, size: str) -> Iterator[bool]:
    """Mount one on a new folder. Yields False where this machine lets nobody mount."""
    folder.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield False
        return
    unmount = ["sh", "-c", _UNMOUNT, "sh", str(folder)]
    with subprocess.Popen(unmount, stdin=subprocess.PIPE, start_new_session=True):
        yield True
