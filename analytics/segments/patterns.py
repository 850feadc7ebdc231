"""Regular expressions in segments: how large they may be; ClickHouse says which it understands."""

import re
from functools import lru_cache

from django.conf import settings

from analytics import clickhouse
from analytics.clickhouse import ClickHouseUnavailable
from analytics.queries import load
from analytics.segments.expressions import Comparison, InvalidSegment, Segments

# Characters of all patterns together, with their repetitions written out. ClickHouse compiles a
# pattern anew for each type of a value and each block of events, which no limit of time ends:
# \pN{950} takes a third of a second each time, and then 25 µs an event. The worst of those that are
# accepted took 15 µs an event of a short text.
MAX_WRITTEN_OUT = 2_000
# RE2 makes up to 870 instructions of a class of Unicode, and up to 9 of another character.
_OF_UNICODE = 100
_TOKEN = re.compile(
    r"""
    (?P<unicode>\\[pP](?:\{[^}]*\}?|.)?)
    | (?P<quoted>\\Q.*?(?:\\E|\Z))
    | (?P<class>\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]?)
    | \{(?P<least>[0-9]+)(?:,(?P<most>[0-9]*))?\}
    | \\x\{[^}]*\}?
    | \\.
    | .
    """,
    re.DOTALL | re.VERBOSE,
)
_IN_CLASS = re.compile(r"\\(?:([pP])|.)", re.DOTALL)
# ClickHouse's code for a pattern that it can't compile.
_CANNOT_COMPILE = 427
_KEPT = 1_000


def check(segments: Segments) -> None:
    """Raises InvalidSegment for a pattern that ClickHouse refuses or patterns that are too large
    together, and ClickHouseError.
    """
    found = [
        it for it in segments.conditions() if isinstance(it, Comparison) and it.operator == "match"
    ]
    size = 0
    for condition in found:
        size += written_out(condition.values[0])
        if size > MAX_WRITTEN_OUT:
            message = (
                f"the patterns have more than {MAX_WRITTEN_OUT:,} characters in all with their"
                f" repetitions written out, where a class such as \\pL counts as {_OF_UNICODE}"
            )
            raise InvalidSegment(condition.place, message)
    for condition in found:
        if complaint := _complaint(condition.values[0], settings.CLICKHOUSE_URL):
            raise InvalidSegment(condition.place, complaint)


def written_out(pattern: str) -> int:
    """How many characters the pattern has once x{3} is written xxx; see MAX_WRITTEN_OUT."""
    # Of each group that is open, its size so far. The last part is what a repetition repeats.
    groups, last = [0], 0
    for token in _TOKEN.finditer(pattern):
        if token["least"]:
            times = max(int(token["least"]), int(token["most"] or 0), 1)
            groups[-1] += last * (times - 1)
            last *= times
        elif token[0] == "(":
            groups.append(1)
        elif token[0] == ")" and len(groups) > 1:
            last = groups.pop() + 1
            groups[-1] += last
        elif token[0] in ("*", "+", "?"):
            groups[-1] += 1
            last += 1
        else:
            last = _size(token)
            groups[-1] += last
    return sum(groups)


def _size(token: re.Match[str]) -> int:
    if token["unicode"]:
        return _OF_UNICODE
    if token["class"]:
        of_unicode = sum(bool(it[1]) for it in _IN_CLASS.finditer(token[0]))
        return len(token[0]) + of_unicode * _OF_UNICODE
    return len(token[0]) if token["quoted"] else 1


@lru_cache(_KEPT)
def _complaint(pattern: str, _url: str) -> str:
    """What ClickHouse says against the pattern; a process asks about each once."""
    try:
        clickhouse.query_server(load("pattern"), parameters={"pattern": pattern})
    except ClickHouseUnavailable as error:
        if error.code != _CANNOT_COMPILE:
            raise
        _, _, reason = str(error).partition(f"{pattern}, error: ")
        return f"the pattern can't be used: {reason.partition('. Look at')[0] or 'see RE2'}"
    return ""
