"""Make a body readable for the decoder, which refuses a whole body for one bad part of one event.

Each bad part is replaced with text of the same length, so that positions are the same in both
texts. The replacement is refused for the same reason, so that only this event is refused. No Python
code runs once for each escape or bracket: 20 MB can hold ten million of them.
"""

import re

# Escapes that may be half of a surrogate pair, after any number of escaped backslashes.
_MAYBE_LONE = re.compile(rb"\\u[dD][89a-fA-F]")
# A high surrogate with no low surrogate after it, or a low one with no high one before it.
_LONE = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|[c-fC-F][0-9a-fA-F]{2}(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD].[0-9a-fA-F]{2}))",
    re.DOTALL,
)
_NUL = rb"\u0000"

# This depth is more than any event may have, and far less than the decoder can take.
_KEPT_DEPTH = 32
_LONGEST_RUN = 64


# The most that Python code looks at one by one: this takes a second in all. No honest client sends
# as much, but a kilobyte from an attacker can decode to millions.
_MOST_LONE = 100_000
_MOST_STEPS = 500_000


class Unreadable(ValueError):
    """The body has too many faults to look for its valid events."""


def _rest(levels: int) -> bytes:
    """Return a pattern for text whose brackets all close, nested at most `levels` deep.

    Each round of the outer repetition is an atomic group. Before Python 3.11.5, a possessive
    repetition does not go back to where a round began that fails midway (CPython issue 106052).
    """
    group = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
    if levels:
        group = rb"(?:" + group + rb"|[\[{]" + _rest(levels - 1) + rb"[\]}])"
    return rb'[^][{}"]*+(?:(?>' + group + rb'[^][{}"]*+))*+'


# A step ends in opening brackets, in closing brackets, at the end of the text, or at a quote that
# opens a string without an end.
_STEP = re.compile(
    _rest(3) + rb'(?:([\[{]{1,%d}+)|([\]}]++)|(?:"|\Z))' % _LONGEST_RUN,
    re.DOTALL,
)


def without_lone_surrogates(body: bytes) -> bytes:
    """Replace each lone surrogate with a NUL escape.

    A lone surrogate is well-formed JSON, but events may hold neither it nor a NUL. Raises
    Unreadable.
    """
    if not _MAYBE_LONE.search(body):
        return body
    readable = bytearray(body)
    # A pair of backslashes is one character and begins no escape. A match never holds half a pair.
    for count, lone in enumerate(_LONE.finditer(body.replace(rb"\\", b"  "))):
        if count == _MOST_LONE:
            raise Unreadable("it has too many lone surrogates")
        readable[lone.start() : lone.end()] = _NUL
    return bytes(readable)


def without_depths(body: bytes) -> bytes:
    """Replace what is nested deeper than about 30 to 100 levels with a 0 and white space.

    The decoder recurses and gives up at about a thousand levels; this function does not recurse.
    The levels that stay are still too deep for any event. 20 MB of `[` take 0.5 s. Raises
    Unreadable.
    """
    readable = bytearray(body)
    depth = 0
    cut_at, cut_depth = 0, 0
    for count, step in enumerate(_STEP.finditer(body)):
        if count == _MOST_STEPS:
            raise Unreadable("it is nested too deep")
        if step.lastindex == 1:
            if depth >= _KEPT_DEPTH and not cut_depth:
                cut_at, cut_depth = step.start(1), depth
            depth += step.end() - step.start(1)
        elif step.lastindex == 2:
            start, before = step.start(2), depth
            depth -= step.end() - start
            if cut_depth and depth <= cut_depth:
                end = start + before - cut_depth
                readable[cut_at:end] = b"0".ljust(end - cut_at)
                cut_depth = 0
        else:
            break
    return bytes(readable)
