"""granian's command line, whose main process also ends when it is told to several times at once.

A killed program's children are told so once for each thread it had. granian's handler, interrupted
by itself, would wait for ever for a lock that it holds.
"""

from typing import Any

from granian.cli import entrypoint
from granian.server.common import AbstractServer

_interrupt = AbstractServer.signal_handler_interrupt


def _interrupt_once(server: AbstractServer[Any], *_: object) -> None:
    if not server.interrupt_signal:
        _interrupt(server)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    AbstractServer.signal_handler_interrupt = _interrupt_once  # type: ignore[method-assign]
    entrypoint()  # type: ignore[no-untyped-call]
