"""A body made readable to the decoder, which gives up the whole of it for one spot in one event.

What takes the place of such a spot is as long as it was, so that positions hold for both texts, and
is refused for the same reason, so that only its own event pays for it. Nothing here calls Python
once for each escape or bracket: 20 MB may hold ten million of them.
"""

import re

# Escapes that may be half of a pair, behind any number of escaped backslashes.
_MAYBE_LONE = re.compile(rb"\\u[dD][89a-fA-F]")
# A high one with no low one behind it, or a low one with no high one before it.
_LONE = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|[c-fC-F][0-9a-fA-F]{2}(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD].[0-9a-fA-F]{2}))",
    re.DOTALL,
)
_NUL = rb"\u0000"

# Groups this deep are beyond what any event may hold, and far within what the decoder can take.
_KEPT_DEPTH = 32
_LONGEST_RUN = 64


# What is looked at in Python, one at a time: a second of it in all. No client that means well sends
# as much, and a stranger's kilobyte may decode to millions.
_MOST_LONE = 100_000
_MOST_STEPS = 500_000


class Unreadable(ValueError):
    """There is too much wrong with the body to look for what is right in it."""


def _rest(levels: int) -> bytes:
    """A pattern of text in which brackets stand in pairs only, at most so many levels of them."""
    group = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
    if levels:
        group = rb"(?:" + group + rb"|[\[{]" + _rest(levels - 1) + rb"[\]}])"
    return rb'[^][{}"]*+(?:' + group + rb'[^][{}"]*+)*+'


# A step ends in opening brackets, in closing ones, or where the text or its sense does.
_STEP = re.compile(
    _rest(3) + rb'(?:([\[{]{1,%d}+)|([\]}]++)|(?:"|\Z))' % _LONGEST_RUN,
    re.DOTALL,
)


def without_lone_surrogates(body: bytes) -> bytes:
    """Each lone surrogate, which is well-formed JSON, becomes a NUL: equally refused.

    Raises Unreadable.
    """
    if not _MAYBE_LONE.search(body):
        return body
    readable = bytearray(body)
    # Pairs of backslashes stand for one each and begin no escape. They are never half in a match.
    for count, lone in enumerate(_LONE.finditer(body.replace(rb"\\", b"  "))):
        if count == _MOST_LONE:
            raise Unreadable("it has too many lone surrogates")
        readable[lone.start() : lone.end()] = _NUL
    return bytes(readable)


def without_depths(body: bytes) -> bytes:
    """What is nested deeper than some 30 to 100 levels becomes a 0 and white space.

    The decoder recurses and gives up at about a thousand levels; this does not recurse. A level
    kept is one too deep for any event still. 20 MB of `[` take 0.5 s. Raises Unreadable.
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
