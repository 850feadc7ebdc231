"""Detects the kind of a query with just enough of ClickHouse's syntax to route it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from embedded.gateway.errors import refusal

# Only an insert's data may make a query longer than this, as on a server with the default
# max_query_size.
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
# Without any of these, a statement is one, and names no format.
_ENDS_OR_FORMATS = re.compile(rb";|FORMAT", re.IGNORECASE)
_INSERT_SOURCES = frozenset({b"SELECT", b"WITH", b"FROM", b"WATCH"})


@dataclass(frozen=True)
class Statement:
    """A statement without data after it; `format` is the one its FORMAT clause names."""

    sql: bytes
    keyword: str
    format: str | None


@dataclass(frozen=True)
class Insert:
    """`INSERT INTO target [SETTINGS settings] FORMAT format <data>`; data begins at `data_start`.

    `settings` includes the keyword, or is empty. `VALUES` is the format Values.
    """

    target: bytes
    settings: bytes
    format: str
    data_start: int


def _top_level_words(sql: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Words outside brackets, quotes and comments, and `;`: (upper-cased, start, end)."""
    depth = 0
    for token in _TOKEN.finditer(sql):
        if token.lastgroup == "mark":
            depth += (token[0] in b"([{") - (token[0] in b")]}")
        if depth == 0 and (token.lastgroup == "word" or token[0] == b";"):
            yield token[0].upper(), token.start(), token.end()


def _keyword(sql: bytes) -> str:
    for token in _TOKEN.finditer(sql):
        if token.lastgroup == "word":
            return token[0].upper().decode("ascii", "replace")
        if token.lastgroup != "skip" and token[0] != b"(":
            break
    return ""


def parse_insert(sql: bytes) -> Insert | None:
    """Recognize an INSERT that brings its data along; None for anything else."""
    words = _top_level_words(sql)
    if next(words, (b"",))[0] != b"INSERT":
        return None
    settings_start = None
    for word, start, word_end in words:
        if word in _INSERT_SOURCES:
            return None
        if word == b"SETTINGS":
            settings_start = start
        elif word in (b"FORMAT", b"VALUES"):
            name, end = b"Values", word_end
            if word == b"FORMAT":
                _, name_start, end = next(words, (b"", end, end))
                name = sql[name_start:end]
            gap = _DATA_GAP.match(sql, end)
            target_end = start if settings_start is None else settings_start
            return Insert(
                target=sql[:target_end],
                settings=sql[target_end:start],
                format=name.decode("ascii", "replace"),
                data_start=gap.end() if gap else end,
            )
    return None


def parse_statement(sql: bytes) -> Statement:
    """Recognize a statement without data. Raises EngineError for no statement and for several."""
    if not _ENDS_OR_FORMATS.search(sql) and not _is_blank(sql):
        return Statement(sql, _keyword(sql), None)
    output_format = None
    end = len(sql)
    words = _top_level_words(sql)
    for word, start, _ in words:
        if word == b";":
            end = start
            break
        if word == b"FORMAT":
            _, name_start, name_end = next(words, (b"", 0, 0))
            output_format = sql[name_start:name_end].decode("ascii", "replace") or None
    if not _is_blank(sql[end:]):
        raise refusal(62, "SYNTAX_ERROR", "Syntax error: multi-statements are not allowed")
    if _is_blank(sql[:end]):
        raise refusal(62, "SYNTAX_ERROR", "Syntax error: the query is empty")
    return Statement(sql[:end], _keyword(sql), output_format)


def _is_blank(sql: bytes) -> bool:
    return all(token.lastgroup == "skip" or token[0] == b";" for token in _TOKEN.finditer(sql))
