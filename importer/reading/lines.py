"""Lines of a text file in any encoding, ended by LF, CRLF or CR."""

import codecs
import io
import math
from collections.abc import Iterable, Iterator
from itertools import chain

from importer.mapping.options import Options
from importer.reading.chunks import MAX_LINE, FileRefused
from importer.reading.files import OpenFile

_ENDS = ("\n", "\r")
_PIECE = 64 * 1024
# Compression makes events with their own ids about twenty times smaller. A file that unpacks to
# more than both limits was made to keep the import busy: gzip can make data a thousand times
# smaller, zstd a hundred thousand times.
_UNPACKED_BYTES = 64 * 1024 * 1024
_UNPACKED_TIMES = 200
# Characters of empty lines that a file may have, and that it may have besides for each other line.
_EMPTY, _EMPTY_FOR_A_LINE = 2 * 1024 * 1024, 100


def lines(file: OpenFile, options: Options) -> Iterator[str]:
    """Each line with its line end; the last line may have none.

    If a line is too long, only its start is returned, which `is_cut` recognizes. Bytes that the
    encoding does not know appear as lone surrogates (PEP 383); in UTF-16 they raise UnicodeError.
    """
    # The file's own mark wins over the option: a file of rejected rows has such a mark.
    encoding = file.encoding or options.encoding or "utf-8"
    # Lists of lines are chained: a generator that yields single lines takes a tenth of all time.
    return chain.from_iterable(_split(_decoded(file, encoding)))


class EmptyLines:
    """Limits the empty lines of a file: reading them takes time, but an import can stop, give way
    or show that it gets on only where there are rows.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines = self._characters = 0

    def add(self, line: str, number: int) -> None:
        """Raises FileRefused if the file has too many of them; `number` is that of this line."""
        self._lines += 1
        self._characters += len(line)
        if self._characters > _EMPTY + _EMPTY_FOR_A_LINE * (number - self._lines):
            raise FileRefused(f"{self._name} is mostly empty lines")


def is_cut(line: str) -> bool:
    """Whether this is only the start of a line that is too long."""
    return len(line) >= MAX_LINE and not line.endswith(_ENDS)


def _decoded(file: OpenFile, encoding: str) -> Iterator[str]:
    # In UTF-16 a surrogate is half a character, so it can't represent a broken byte.
    errors = "strict" if encoding.startswith("utf-16") else "surrogateescape"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    left = max(_UNPACKED_BYTES, _UNPACKED_TIMES * file.size) if file.size else math.inf
    while data := file.stream.read1(_PIECE):  # type: ignore[attr-defined]
        left -= len(data)
        if left < 0:
            raise FileRefused(
                f"{file.name} unpacks to more than {_UNPACKED_TIMES} times its size, and to more"
                " than 64 MiB"
            )
        yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def _split(pieces: Iterable[str]) -> Iterator[list[str]]:
    """The lines that end in each piece. At most MAX_LINE characters of an open line are kept."""
    rest, passing_over = "", False
    for piece in pieces:
        # newline="" splits at LF, CRLF and CR, and keeps the line ends as they are.
        found = list(io.StringIO(rest + piece, newline=""))
        # A line that ends in CR may continue with LF.
        rest = found.pop() if found and not found[-1].endswith("\n") else ""
        if found and passing_over:
            del found[0]
            passing_over = False
        if found and len(found[0]) > MAX_LINE:
            found[0] = found[0][:MAX_LINE]
        if passing_over:
            rest = "\r" if rest.endswith("\r") else ""
        elif len(rest) >= MAX_LINE and not rest.endswith("\r"):
            found.append(rest[:MAX_LINE])
            rest, passing_over = "", True
        yield found
    if rest and not passing_over:
        yield [rest[:MAX_LINE]]
