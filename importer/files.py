"""Which files a path means, and how one is opened: plain, gzip or zstd, its format by content."""

import codecs
import errno
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, TypeAlias

from importer.chunks import FileRefused, Interrupted

STDIN = Path("-")
# What a folder is searched for; a file that is named is taken whatever its name.
SUFFIXES = (".csv", ".tsv", ".txt", ".ndjson", ".jsonl", ".json", ".parquet")
COMPRESSED = (".gz", ".zst")
REJECTED = ".rejected.csv"
_JSON_SUFFIXES = {".ndjson", ".jsonl", ".json"}
_BUFFER = 1024 * 1024
# What is looked at to tell a format: white space may stand before the first character.
_HEAD = 64 * 1024
_PASSING = {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.EMFILE, errno.ENFILE}

Format: TypeAlias = Literal["delimited", "json_lines", "parquet"]


@dataclass
class OpenFile:
    """`stream` gives the bytes without compression, `encoding` is what they say of themselves, ""
    where they say nothing. `position()` says how many of `size` bytes on disk were read, both 0
    where that is unknown. `source` is the file itself; `at_end` is left before it is closed.
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
    """The files meant by paths, folders, globs and `-`, each once, a folder's in order of name.

    Raises FileRefused for what means no file.
    """
    found = [path for pattern in patterns for path in _meant(pattern)]
    # Not resolved: what a shell's <(…) names is no path.
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
                # Not Python's own, nor ever closed: a thread may be waiting in it at the end.
                source: Any = os.fdopen(os.dup(0), "rb", buffering=_BUFFER)
            else:
                source = stack.enter_context(path.open("rb", buffering=_BUFFER))
            file = _opened(path, source)
        with file.at_end:
            yield file


def _opened(path: Path, source: Any) -> OpenFile:
    whole = path != STDIN and source.seekable()
    stream = _decompressed(source)
    head = stream.peek(_HEAD)[:_HEAD]  # type: ignore[attr-defined]
    encoding = _encoding(head)
    return OpenFile(
        name=str(path),
        stream=stream,
        format=_format(path, head, encoding, whole and stream is source),
        encoding=encoding,
        size=os.fstat(source.fileno()).st_size if whole else 0,
        position=source.tell if whole else int,
        source=source,
    )


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Say what goes wrong while a file is read as FileRefused."""
    try:
        yield
    except UnicodeError as error:
        raise FileRefused(f"{path} cannot be decoded: {error}") from error
    except (EOFError, zlib.error, OSError) as error:
        kind = Interrupted if getattr(error, "errno", None) in _PASSING else FileRefused
        raise kind(f"{path} {_problem(error)}") from error


def _problem(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    [reason, *_] = str(error).splitlines() or [""]
    if isinstance(error, EOFError) or "Truncated" in reason:  # Arrow's word for it
        return "ends too early: its compressed data is cut short"
    return f"is damaged: {reason}"


def _decompressed(source: Any) -> IO[bytes]:
    magic = source.peek(4)[:4]
    if magic[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=source), _BUFFER)
    if magic == b"\x28\xb5\x2f\xfd":
        # Arrow's tells a file that is cut short; zstandard's reader takes it for the end.
        from pyarrow import CompressedInputStream  # noqa: PLC0415 - takes 0.2 s

        return io.BufferedReader(CompressedInputStream(source, "zstd"), _BUFFER)
    stream: IO[bytes] = source
    return stream


def _encoding(head: bytes) -> str:
    """What the first bytes tell: by a mark, or in UTF-16 by the NUL in the first character."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) > 1 and (head[0] == 0) != (head[1] == 0):
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return ""


def _format(path: Path, head: bytes, encoding: str, is_plain: bool) -> Format:
    if head[:4] == b"PAR1":
        if not is_plain:
            raise FileRefused(f"{path} is Parquet, which must be a file, not compressed as a whole")
        return "parquet"
    start = head.decode(encoding or "utf-8", "ignore").lstrip()[:1]
    if start == "[":
        raise FileRefused(
            f"{path} is one JSON array; write one object a line (jq -c '.[]' makes it so)"
        )
    # An empty file of JSON lines is one without events; CSV would have its header.
    empty_json = not head and not _JSON_SUFFIXES.isdisjoint(path.suffixes)
    return "json_lines" if start == "{" or empty_json else "delimited"
