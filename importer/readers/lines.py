"""Lines of a text file, whichever of LF, CRLF and CR ends them, in the encoding it has."""

import io
from collections.abc import Iterator
from functools import partial
from typing import TextIO

from importer.chunks import MAX_LINE
from importer.files import OpenFile
from importer.options import Options

ENDS = ("\n", "\r")
# Bytes that are decoded at once; of Python's 8 KiB a line costs a tenth more.
_PIECE = 64 * 1024


def lines(file: OpenFile, options: Options) -> Iterator[str]:
    """Each line with its end, the last one perhaps without.

    Of a line that is too long only the start comes: `is_cut` tells it. Bytes that the encoding
    does not know appear as lone surrogates (PEP 383); in UTF-16 they raise UnicodeError.
    """
    # What the file says itself counts more than what is named: one of rejected rows says it.
    encoding = file.encoding or options.encoding or "utf-8"
    # A surrogate is half a character in UTF-16 and can't show a broken byte.
    errors = "strict" if encoding.startswith("utf-16") else "surrogateescape"
    # newline="": line ends stay as they are, as those inside quotes of CSV are part of a value.
    text = io.TextIOWrapper(file.stream, encoding, errors=errors, newline="")
    text._CHUNK_SIZE = _PIECE  # type: ignore[attr-defined]
    # The wrapper would close the file, which is not its own, when it is collected as garbage.
    file.at_end.callback(text.detach)
    return _lines(text)


def is_cut(line: str) -> bool:
    """Whether this is only the start of a line that is too long."""
    return len(line) >= MAX_LINE and not line.endswith(ENDS)


def _lines(text: TextIO) -> Iterator[str]:
    """Read in pieces of MAX_LINE characters, so that no line is held in memory beyond that."""
    passing_over = after_cr = False
    for piece in iter(partial(text.readline, MAX_LINE), ""):
        # A full piece that ends in CR may be cut in the middle of CRLF.
        is_rest_of_crlf = after_cr and piece == "\n"
        if not (passing_over or is_rest_of_crlf):
            yield piece
        passing_over = not is_rest_of_crlf and not piece.endswith(ENDS)
        after_cr = len(piece) == MAX_LINE and piece.endswith("\r")
