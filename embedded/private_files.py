"""Files that only their owner may read; a write is complete or changes nothing."""

import os
import secrets
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Replace `path` in one step, mode 0600; a crash leaves the old file or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def secret(path: Path, *, length: int = 0) -> str:
    """The secret in `path`. It is made if the file is missing or shorter than `length`."""
    if not path.exists() or len(path.read_text()) < length:
        write(path, secrets.token_urlsafe(48))
    return path.read_text()
