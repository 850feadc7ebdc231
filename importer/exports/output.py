"""Where an export goes: a file that is there whole or not at all, or standard output."""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias
from uuid import uuid4

import zstandard

STDOUT = Path("-")
_BUFFER = 1024 * 1024
# Of 60 MB of events level 1 takes half the time of level 6, for a file a sixth larger.
_GZIP_LEVEL = 1

Compression: TypeAlias = Literal["", "gzip", "zstd"]


class OutputRefused(Exception):
    """Why an output cannot be written; the text names it."""


class _Sink:
    """What everything is written through. Once cut it drops what comes: what a writer adds when it
    is abandoned, a footer or an end of compression, would make a part look whole.
    """

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._cut = False

    def write(self, data: Any) -> int:
        return len(data) if self._cut else self._file.write(data)

    def cut(self) -> None:
        self._cut = True

    def flush(self) -> None:
        """Compressors ask for it; the file is flushed when all is written."""

    def close(self) -> None:
        """The file is closed by whoever opened it."""


@contextmanager
def output(path: Path, *, compression: Compression, overwrite: bool) -> Iterator[Any]:
    """A stream for bytes, which are at `path` if the block ends well and are not there otherwise.

    Standard output, and what is no regular file, is written straight away. Raises OutputRefused
    when it can't be written, at once or to the end, and BrokenPipeError when nobody reads on.
    """
    try:
        with _opened(path, overwrite=overwrite) as file:
            sink = _Sink(file)
            try:
                stream = _compressed(sink, compression)
                yield stream
                stream.close()
            except BaseException:
                sink.cut()
                raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputRefused(f"{path} cannot be written: {error.strerror or error}") from error


def _compressed(sink: Any, compression: Compression) -> Any:
    if compression == "gzip":
        return gzip.GzipFile("", "wb", _GZIP_LEVEL, fileobj=sink, mtime=0)
    if compression == "zstd":
        return zstandard.ZstdCompressor().stream_writer(sink, closefd=False)
    return sink


@contextmanager
def _opened(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    if path == STDOUT:
        # Not Python's own, which would fail once more for a broken pipe when the process ends.
        opened = _straight(os.dup(1))
    elif path.exists() and not (path.is_file() or path.is_dir()):
        opened = _straight(path)
    else:
        opened = _beside(path.resolve(), overwrite=overwrite)
    with opened as file:
        yield file


@contextmanager
def _straight(target: Path | int) -> Iterator[IO[bytes]]:
    file = open(target, "wb", buffering=_BUFFER)  # noqa: SIM115
    try:
        yield file
        file.close()
    finally:
        with suppress(OSError):
            file.close()


@contextmanager
def _beside(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """A file beside it under a name of its own, which takes the path's name in the end."""
    _check_free(path, overwrite=overwrite)
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        with partial.open("xb", buffering=_BUFFER) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _check_free(path, overwrite=overwrite)
        partial.replace(path)
        _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _check_free(path: Path, *, overwrite: bool) -> None:
    if path.is_dir():
        raise OutputRefused(f"{path} is a folder")
    if path.exists() and not overwrite:
        raise OutputRefused(f"{path} exists (--overwrite replaces it)")


def _sync_folder(folder: Path) -> None:
    """Or the file's new name might not outlive the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
