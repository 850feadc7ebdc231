"""The output of an export: a file that is complete or does not exist, or standard output."""

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
# For 60 MB of events, level 1 takes half the time of level 6, and the file is a sixth larger.
_GZIP_LEVEL = 1

Compression: TypeAlias = Literal["", "gzip", "zstd"]


class OutputRefused(Exception):
    """An output cannot be written; the text names it and says why."""


class _Sink:
    """All writes go through this file. After `cut` it drops further bytes: an abandoned writer
    still adds a footer or an end of compression, which would make a partial file look complete.
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
        """Does nothing, though compressors call it: the file is flushed when all is written."""

    def close(self) -> None:
        """Does nothing: the code that opened the file closes it."""


@contextmanager
def output(path: Path, *, compression: Compression, overwrite: bool) -> Iterator[Any]:
    """A stream for bytes. They are at `path` only if the block ends without an error.

    Standard output, and anything that is not a regular file, is written directly. Raises
    OutputRefused if the output can't be written, at once or later, and BrokenPipeError if its
    reader is gone.
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
        # Not Python's own stdout: after a broken pipe it would fail again when the process ends.
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
    """A temporary file in the same folder, which is renamed to `path` at the end."""
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
        raise OutputRefused(f"{path} exists already; use --overwrite to replace it")


def _sync_folder(folder: Path) -> None:
    """Write the folder to disk: otherwise a crash of the machine could lose the file's new name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
