"""Detects a file's format by its first bytes and not by its name."""

import codecs
import gzip
import io
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from importer.reading.chunks import FileRefused

Format: TypeAlias = Literal["delimited", "json_lines", "parquet"]

BUFFER = 1024 * 1024
# How many bytes are looked at: there may be white space before the first character.
_HEAD = 64 * 1024
_JSON_SUFFIXES = {".ndjson", ".jsonl", ".json"}
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_NOT_READ = {
    _GZIP: "compressed twice",
    _ZSTD: "compressed twice",
    ZIP[0]: "a zip archive inside of another file",
    b"\xfd7zXZ\0": "an xz file",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x04\x22\x4d\x18": "an lz4 file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3\0": "a SQLite database",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
}


def head_of(stream: Any) -> bytes:
    """The first bytes of a stream, without consuming them."""
    head: bytes = stream.peek(_HEAD)[:_HEAD]
    return head


def decompressed(stream: Any) -> IO[bytes]:
    """The stream, decompressed if it is gzip or zstd."""
    magic = stream.peek(4)[:4]
    if magic[:2] == _GZIP:
        return io.BufferedReader(gzip.GzipFile(fileobj=stream), BUFFER)
    # A zstd file may start with frames that hold no data and are skipped; pzstd writes one.
    is_skippable = magic[1:] == b"\x2a\x4d\x18" and magic[0] & 0xF0 == 0x50
    if magic == _ZSTD or is_skippable:
        # Arrow's reader reports a file that is cut short; zstandard's reader just ends.
        from pyarrow import CompressedInputStream  # noqa: PLC0415 - takes 0.2 s

        return io.BufferedReader(CompressedInputStream(stream, "zstd"), BUFFER)
    plain: IO[bytes] = stream
    return plain


def encoding_of(head: bytes) -> str:
    """The encoding that the first bytes show, or "": by a byte order mark, or for UTF-16 by a NUL
    byte in the first character.
    """
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) > 1 and (head[0] == 0) != (head[1] == 0):
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return ""


def format_of(name: Path | str, head: bytes) -> Format:
    """The format that the first bytes show. Raises FileRefused for any other format."""
    if head[:4] == b"PAR1":
        return "parquet"
    if what := _not_read(head):
        raise FileRefused(
            f"{name} is {what}; it must be CSV or JSON lines (plain, .gz, .zst or .zip) or Parquet"
        )
    start = head.decode(encoding_of(head) or "utf-8", "ignore").lstrip()[:1]
    if start == "[":
        raise FileRefused(
            f"{name} is one JSON array; write one object on each line (jq -c '.[]' does that)"
        )
    # An empty file of JSON lines has no events and is fine; an empty CSV file lacks its header.
    empty_json = not head and not _JSON_SUFFIXES.isdisjoint(Path(name).suffixes)
    return "json_lines" if start == "{" or empty_json else "delimited"


def _not_read(head: bytes) -> str:
    if head[:3] == b"BZh" and head[4:10] == b"1AY&SY":
        return "a bzip2 file"
    if head[257:262] == b"ustar":
        return "a tar archive"
    return next((what for magic, what in _NOT_READ.items() if head.startswith(magic)), "")
