"""Where a statement's keywords are: enough of ClickHouse's syntax to route it, no more."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A query longer than this is only accepted when its tail is an insert's data, as on a server
# whose max_query_size is left at its default.
MAX_QUERY_BYTES = 256 * 1024

_TOKEN = re.compile(
    rb"""
      (?P<skip>\s+|--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/)
    | (?P<quoted>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
    | (?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<word>\w+)
    | (?P<mark>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_DATA_GAP = re.compile(rb"[ \t\f]*(?:\r?\n)?")
_SOURCES = frozenset({b"SELECT", b"WITH", b"FROM", b"WATCH", b"EXECUTE"})


@dataclass(frozen=True)
class InsertHead:
    """An INSERT whose data follows: the statement up to FORMAT or VALUES, and where data begins."""

    statement: bytes
    format: str
    data_start: int


def _top_level_words(sql: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Bare words outside brackets, quotes and comments: (upper-cased, start, end)."""
    depth = 0
    for token in _TOKEN.finditer(sql):
        if token.lastgroup == "mark":
            depth += (token[0] in b"([{") - (token[0] in b")]}")
        elif token.lastgroup == "word" and depth == 0:
            yield token[0].upper(), token.start(), token.end()


def first_word(sql: bytes) -> str:
    """The statement's keyword, upper-cased; `SELECT` for one in brackets, empty for none."""
    for token in _TOKEN.finditer(sql):
        if token.lastgroup == "word":
            return token[0].upper().decode("ascii", "replace")
        if token.lastgroup != "skip" and token[0] != b"(":
            break
    return ""


def split_insert(sql: bytes) -> InsertHead | None:
    """Split `INSERT … FORMAT x <data>` or `INSERT … VALUES <data>`; None for anything else."""
    words = _top_level_words(sql)
    if next(words, (b"",))[0] != b"INSERT":
        return None
    for word, start, end in words:
        if word in _SOURCES:
            return None
        if word == b"VALUES":
            return InsertHead(sql[:start], "Values", end)
        if word == b"FORMAT":
            _, name_start, name_end = next(words, (b"", end, end))
            gap = _DATA_GAP.match(sql, name_end)
            name = sql[name_start:name_end].decode("ascii", "replace")
            return InsertHead(sql[:start], name, gap.end() if gap else name_end)
    return None


def output_format(sql: bytes) -> str | None:
    """The name in the statement's FORMAT clause, if it has one."""
    found = None
    words = _top_level_words(sql)
    for word, _, _ in words:
        if word == b"FORMAT":
            _, start, end = next(words, (b"", 0, 0))
            found = sql[start:end].decode("ascii", "replace") or found
    return found
