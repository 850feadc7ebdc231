"""What a client is still sending when it has been refused already."""

from contextlib import suppress
from typing import Protocol

from django.http import HttpRequest

_PIECE = 64 * 1024
# One still sending after that hears of a broken connection only.
_UNHEARD_BYTES = 64 * 1024 * 1024


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def throw_away(stream: _Readable) -> None:
    """Read it, within bounds, so that the client hears the answer; past 2 MB it would not."""
    with suppress(OSError):
        for _ in range(_UNHEARD_BYTES // _PIECE):
            if not stream.read(_PIECE):
                break


def throw_body_away(request: HttpRequest) -> None:
    """The same before anything was read: a client that waits to be asked for its body is not.

    Nor one that sends a file: nginx passes that on as it comes, so that strangers who send a byte
    a minute would hold a thread each.
    """
    if "HTTP_EXPECT" not in request.META and not request.path.startswith("/imports"):
        throw_away(request)
