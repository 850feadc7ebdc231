"""Finds the files that a path means, and opens a file, whatever its compression is."""

import errno
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import IO, Any, BinaryIO
from zipfile import BadZipFile

from importer.reading import archives
from importer.reading.chunks import FileRefused, Interrupted
from importer.reading.formats import (
    BUFFER,
    ZIP,
    Format,
    decompressed,
    encoding_of,
    format_of,
    head_of,
)

STDIN = Path("-")
# In a folder, only files with these suffixes are found. A file named directly may have any suffix.
SUFFIXES = (".csv", ".tsv", ".txt", ".ndjson", ".jsonl", ".json", ".parquet", ".zip")
COMPRESSED = (".gz", ".zst")
REJECTED = ".rejected.csv"
_PASSING = {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.EMFILE, errno.ENFILE}


@dataclass
class OpenFile:
    """`stream` gives the decompressed bytes. `encoding` is the encoding that the first bytes show,
    or "" if they show none. `position()` is how many of the `size` bytes on disk were read; both
    are 0 if that is unknown. `source` is the file itself. `at_end` is closed before the file.
    """

    name: str
    stream: IO[bytes]
    format: Format
    encoding: str
    size: int
    position: Callable[[], int]
    source: BinaryIO
    at_end: ExitStack = field(default_factory=ExitStack)


def expand(patterns: Sequence[str]) -> list[Path]:
    """The files that paths, folders, globs and `-` mean, each once; those of a folder by name.

    Raises FileRefused for a folder or a glob without a file to import.
    """
    found = [path for pattern in patterns for path in _meant(pattern)]
    # Links are not resolved: a shell's <(…) gives a link whose target is not a path.
    return list(
        dict.fromkeys(path if path == STDIN else Path(os.path.abspath(path)) for path in found)
    )


def _meant(pattern: str) -> list[Path]:
    path = Path(pattern)
    if pattern == "-":
        return [STDIN]
    if path.is_dir():
        return _in_folder(path)
    if path.exists() or not any(character in pattern for character in "*?["):
        return [path]
    matches = map(Path, sorted(glob(pattern, recursive=True)))
    files = [file for file in matches if file.is_file() and not _is_ours(file)]
    if not files:
        raise FileRefused(f"{pattern} matches no file")
    return files


def _in_folder(folder: Path) -> list[Path]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and _is_meant(file)]
    if not files:
        known = ", ".join((*SUFFIXES, *COMPRESSED))
        raise FileRefused(f"{folder} holds no file to import ({known})")
    return files


def _is_meant(file: Path) -> bool:
    plain = file.with_suffix("") if file.suffix.lower() in COMPRESSED else file
    return plain.suffix.lower() in SUFFIXES and not file.name.startswith(".") and not _is_ours(file)


def _is_ours(file: Path) -> bool:
    return file.name.endswith(REJECTED)


@contextmanager
def opened(path: Path) -> Iterator[OpenFile]:
    """The file, ready to be read from its start. Raises FileRefused if it can't be opened."""
    with ExitStack() as stack:
        with reading(path):
            if path == STDIN:
                # Not Python's own stdin, and never closed: at the end a thread may wait in it.
                source: Any = os.fdopen(os.dup(0), "rb", buffering=BUFFER)
            else:
                source = stack.enter_context(path.open("rb", buffering=BUFFER))
            file = _opened(path, source)
        with file.at_end:
            yield file


def _opened(path: Path, source: Any) -> OpenFile:
    whole = path != STDIN and source.seekable()
    stream = _unpacked(path, source, whole)
    head = head_of(stream)
    kind = format_of(path, head)
    if kind == "parquet" and not (whole and stream is source):
        raise FileRefused(
            f"{path} is Parquet, which cannot be read from a pipe or from a compressed file"
        )
    return OpenFile(
        name=str(path),
        stream=stream,
        format=kind,
        encoding=encoding_of(head),
        size=os.fstat(source.fileno()).st_size if whole else 0,
        position=source.tell if whole else int,
        source=source,
    )


def _unpacked(path: Path, source: Any, whole: bool) -> IO[bytes]:
    if not source.peek(4).startswith(ZIP):
        return decompressed(source)
    if not whole:
        raise FileRefused(f"{path} is a zip archive, which cannot be read from a pipe")
    return archives.joined(path, source)


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn an error while a file is read into FileRefused, or Interrupted if it may pass."""
    try:
        yield
    except UnicodeError as error:
        raise FileRefused(f"{path} cannot be decoded: {error}") from error
    except (EOFError, zlib.error, BadZipFile, OSError) as error:
        kind = Interrupted if getattr(error, "errno", None) in _PASSING else FileRefused
        raise kind(f"{path} {_problem(error)}") from error


def _problem(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    [reason, *_] = str(error).splitlines() or [""]
    if isinstance(error, EOFError) or "Truncated" in reason:  # Arrow's word for it
        return "ends too early: its compressed data is incomplete"
    return f"is damaged: {reason}"
