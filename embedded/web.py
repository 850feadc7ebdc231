"""granian's command line, with the application loaded once for all of its processes.

Its main process also ends if several stop signals come at once. When a program is killed, its
children get one signal for each thread that it had. If a second signal interrupts granian's
handler, the handler waits for ever for a lock that it holds itself.
"""

import gc
import multiprocessing
import sys
from importlib import import_module
from typing import Any

from granian.cli import entrypoint
from granian.server.common import AbstractServer

_interrupt = AbstractServer.signal_handler_interrupt


def _interrupt_once(server: AbstractServer[Any], *_: object) -> None:
    if not server.interrupt_signal:
        _interrupt(server)  # type: ignore[no-untyped-call]


def _load_application() -> None:
    """Its processes are forks, which have then loaded it and share its memory."""
    if multiprocessing.get_start_method() == "fork":
        [target] = [word for word in sys.argv if ":application" in word]
        import_module(target.partition(":")[0])
        gc.freeze()


if __name__ == "__main__":
    AbstractServer.signal_handler_interrupt = _interrupt_once  # type: ignore[method-assign]
    _load_application()
    entrypoint()  # type: ignore[no-untyped-call]
