"""Zip archives: many files of JSON lines, one after the other, or one file of CSV or JSON lines."""

import codecs
import io
import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from importer.reading.chunks import FileRefused
from importer.reading.formats import BUFFER, decompressed, encoding_of, format_of, head_of

_PIECE = 64 * 1024
# The largest list of files, in bytes. A hundred thousand files take 60 MB of memory.
_MAX_LIST = 8 * 1024 * 1024
_ENCRYPTED = 0x1
_WORKBOOK = "xl/workbook.xml"


def joined(path: Path, source: Any) -> IO[bytes]:
    """The bytes of all files in the archive; a file in gzip or zstd is decompressed.

    The files come in the order in which the archive stores them, so a row always has the same
    place. Raises FileRefused, at once or while the stream is read.
    """
    try:
        archive = ZipFile(_Bounded(source, path))
    except (BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise FileRefused(f"{path} is not a complete zip archive: {error}") from None
    files = [file for file in archive.infolist() if _is_meant(file)]
    if not files:
        raise FileRefused(f"{path} is a zip archive without any file to import")
    if any(file.filename == _WORKBOOK for file in files):
        raise FileRefused(f"{path} is an Excel workbook; save it as CSV")
    files.sort(key=lambda file: file.header_offset)
    # If files share the same bytes, a small archive could unpack to more than anyone can read.
    if any(a.header_offset + a.compress_size > b.header_offset for a, b in pairwise(files)):
        raise FileRefused(f"{path} is damaged: files in it overlap")
    return io.BufferedReader(_Joined(_pieces(path, archive, files, source)), BUFFER)


class _Bounded:
    """A file that raises FileRefused for a read larger than _MAX_LIST, to bound memory."""

    def __init__(self, source: Any, path: Path) -> None:
        self.seek, self.tell, self.seekable = source.seek, source.tell, source.seekable
        self._source, self._path = source, path

    def read(self, size: int = -1) -> bytes:
        most = _MAX_LIST + 1
        data: bytes = self._source.read(size if 0 <= size < most else most)
        if len(data) == most:
            raise FileRefused(f"{self._path} is a zip archive with too many files")
        return data


class _Joined(io.RawIOBase):
    """Pieces of bytes as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _is_meant(file: ZipInfo) -> bool:
    """Whether this is a file to import: no folder, nothing hidden and nothing that macOS adds."""
    hidden = file.filename.startswith("__MACOSX/") or Path(file.filename).name.startswith(".")
    return not (file.is_dir() or hidden)


def _pieces(path: Path, archive: ZipFile, files: Sequence[ZipInfo], source: Any) -> Iterator[bytes]:
    for file in files:
        name = f"{file.filename} in {path}"
        last = b""
        with _opened(name, archive, file) as raw, io.BufferedReader(raw, _PIECE) as packed:
            stream = decompressed(packed)
            head = head_of(stream)
            if head:
                _check(name, head, alone=len(files) == 1)
            if len(files) > 1 and head.startswith(codecs.BOM_UTF8):
                stream.read(len(codecs.BOM_UTF8))
            while piece := stream.read(_PIECE):
                yield piece
                last = piece[-1:]
        # The next file begins on a line of its own.
        if file is not files[-1] and last not in (b"", b"\n", b"\r"):
            yield b"\n"
    source.seek(0, io.SEEK_END)  # behind the list of files, so that the position is the size


def _opened(name: str, archive: ZipFile, file: ZipInfo) -> Any:
    if file.flag_bits & _ENCRYPTED:
        raise FileRefused(f"{name} is encrypted")
    # Other methods may need gigabytes of memory.
    if file.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise FileRefused(
            f"{name} is compressed with a method that is not supported; unpack the archive"
        )
    try:
        return archive.open(file)
    except NotImplementedError as error:
        raise FileRefused(f"{name} cannot be read: {error}") from None


def _check(name: str, head: bytes, *, alone: bool) -> None:
    """Raises FileRefused for a file that can't be read as part of a stream."""
    kind = format_of(name, head)
    if kind == "parquet":
        raise FileRefused(
            f"{name} is Parquet, which cannot be read inside an archive; unpack the archive"
        )
    if not alone and (kind != "json_lines" or encoding_of(head) not in ("", "utf-8-sig")):
        raise FileRefused(
            f"{name} is not JSON lines in UTF-8; only such files can be imported from an archive of"
            " several files, so unpack it"
        )
