"""granian's command line. Its main process also ends if several stop signals come at once.

When a program is killed, its children get one signal for each thread that it had. If a second
signal interrupts granian's handler, the handler waits for ever for a lock that it holds itself.
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
