"""Shows the progress of an import: as a bar on a terminal, elsewhere as a line every 10 s."""

import time
from pathlib import Path
from typing import Any, Protocol, cast

from django.core.management.base import OutputWrapper
from tqdm import tqdm

from importer.models import Import
from importer.reading.chunks import BadRow

# If the output is not a terminal.
SECONDS_BETWEEN_LINES = 10.0
# Leaves room for the counts in 100 columns.
_NAME_CHARACTERS = 20
_BAR = "{desc} {percentage:3.0f}%|{bar:10}| {n_fmt}/{total_fmt}, {remaining} left{postfix}"
# How many bad rows are printed for one file. Its file of rejected rows has all of them.
SHOWN_BAD_ROWS = 20


class Stream(Protocol):
    """A terminal, or another stream in its place."""

    def write(self, text: str, /) -> object: ...

    def isatty(self) -> bool: ...


def terminal(wrapper: OutputWrapper) -> Stream:
    """The stream behind Django's wrapper, which would add a line end and red to each write."""
    return cast(Stream, wrapper._out)


class Progress:
    """The `watch` function of an import. `row` is the import's row as last seen."""

    def __init__(self, name: str, stream: Stream) -> None:
        self.row: Import | None = None
        self._name, self._stream = name, stream
        self._bar: Any = None
        self._shown_bad = 0
        self._started = self._said = time.monotonic()
        self._first = 0

    def __call__(self, row: Import, bad: list[BadRow]) -> None:
        if self.row is None:
            # Count from the end of the first batch: the rate then leaves out the start.
            self._first, self._started = row.read, time.monotonic()
            self._bar = self._new_bar(row) if self._stream.isatty() else None
        self.row = row
        self._print_bad(bad)
        if self._bar is not None:
            self._bar.set_postfix_str(
                f"{self._rate():,.0f} rows/s, {row.stored} stored, {row.duplicates} duplicate,"
                f" {row.bad} bad",
                refresh=False,
            )
            self._bar.update(row.position - self._bar.n)
        elif time.monotonic() - self._said >= SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            share = f"{row.position / row.size:.0%}, " if row.size else ""
            self._write(f"{self._name}: {share}{self._rate():,.0f} rows/s, {counts(row)}")

    def close(self) -> None:
        """Remove the bar, and say how many bad rows were not printed."""
        if self._bar is not None:
            self._bar.close()
        if self._shown_bad > SHOWN_BAD_ROWS:
            self._write(f"{self._name}: {self._shown_bad - SHOWN_BAD_ROWS} more bad rows")
        self._bar, self._shown_bad = None, 0

    def _new_bar(self, row: Import) -> Any:
        return tqdm(
            total=row.size or None,
            desc=Path(self._name).name[-_NAME_CHARACTERS:],
            bar_format=_BAR if row.size else None,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            file=self._stream,
            dynamic_ncols=True,
            leave=False,
        )

    def _rate(self) -> float:
        rows = (self.row.read if self.row else 0) - self._first
        return rows / max(time.monotonic() - self._started, 1e-6)

    def _print_bad(self, rows: list[BadRow]) -> None:
        for row in rows[: max(0, SHOWN_BAD_ROWS - self._shown_bad)]:
            self._write(f"{self._name}, line {row.line}: {row.reason}")
        self._shown_bad += len(rows)

    def _write(self, line: str) -> None:
        if self._bar is None:
            self._stream.write(f"{line}\n")
        else:
            tqdm.write(line, file=self._stream)


def counts(row: Import) -> str:
    return f"read {row.read}, stored {row.stored}, duplicate {row.duplicates}, bad {row.bad}"
