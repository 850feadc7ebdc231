"""Lines of a text file, whichever of LF, CRLF and CR ends them, in the encoding it has."""

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
# Events with ids of their own pack twenty times as small. More than both of these is made to keep
# the import busy: gzip can pack a thousand times as small, and zstd a hundred thousand times.
_UNPACKED_BYTES = 1024 * 1024 * 1024
_UNPACKED_TIMES = 200


def lines(file: OpenFile, options: Options) -> Iterator[str]:
    """Each line with its end, the last one perhaps without.

    Of a line that is too long only the start comes: `is_cut` tells it. Bytes that the encoding
    does not know appear as lone surrogates (PEP 383); in UTF-16 they raise UnicodeError.
    """
    # What the file says itself counts more than what is named: one of rejected rows says it.
    encoding = file.encoding or options.encoding or "utf-8"
    # Lists of lines, chained: a generator's turn for each line would take a tenth of all time.
    return chain.from_iterable(_split(_decoded(file, encoding)))


def is_cut(line: str) -> bool:
    """Whether this is only the start of a line that is too long."""
    return len(line) >= MAX_LINE and not line.endswith(_ENDS)


def _decoded(file: OpenFile, encoding: str) -> Iterator[str]:
    # A surrogate is half a character in UTF-16 and can't show a broken byte.
    errors = "strict" if encoding.startswith("utf-16") else "surrogateescape"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    left = max(_UNPACKED_BYTES, _UNPACKED_TIMES * file.size) if file.size else math.inf
    while data := file.stream.read1(_PIECE):  # type: ignore[attr-defined]
        left -= len(data)
        if left < 0:
            raise FileRefused(f"{file.name} unpacks to more than {_UNPACKED_TIMES} times its size")
        yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def _split(pieces: Iterable[str]) -> Iterator[list[str]]:
    """The lines that end in each piece; no more than MAX_LINE characters wait for their end."""
    rest, passing_over = "", False
    for piece in pieces:
        # newline="" ends a line at any of the three and leaves its end as it is.
        found = list(io.StringIO(rest + piece, newline=""))
        # What ends in CR may go on with LF.
        rest = found.pop() if found and not found[-1].endswith("\n") else ""
        if found and passing_over:
            del found[0]
            passing_over = False
        if found and len(found[0]) > MAX_LINE:
            found[0] = found[0][:MAX_LINE]
        if len(rest) >= MAX_LINE and not rest.endswith("\r"):
            if not passing_over:
                found.append(rest[:MAX_LINE])
            rest, passing_over = "", True
        yield found
    if rest and not passing_over:
        yield [rest[:MAX_LINE]]
