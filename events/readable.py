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


def without_lone_surrogates(body: bytes) -> bytes:
    """Each lone surrogate, which is well-formed JSON, becomes a NUL: equally refused."""
    if not _MAYBE_LONE.search(body):
        return body
    # Pairs of backslashes stand for one each and begin no escape. They are never half in a match.
    plain = body.replace(rb"\\", b"  ")
    readable = bytearray(body)
    for lone in _LONE.finditer(plain):
        readable[lone.start() : lone.end()] = _NUL
    return bytes(readable)
