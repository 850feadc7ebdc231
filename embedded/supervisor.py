"""Starts programs in order, watches over them, and stops all of them when one ends."""

import ctypes
import os
import signal
import time
from contextlib import AbstractContextManager, ExitStack, suppress
from types import FrameType
from typing import NoReturn, Self, TypeVar

import psutil

from embedded.console import Console
from embedded.processes import Process, Program, StackError

PR_SET_CHILD_SUBREAPER = 36
STDIN = 0
WATCH_SECONDS = 0.2
Value = TypeVar("Value")


class Supervisor:
    """While entered, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt; the next kills.

    On leaving, whatever was started ends in reverse order, and no descendant is left.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stack = ExitStack()
        self._processes: list[Process] = []
        self._stopping = False
        self._on_terminal = os.isatty(STDIN)

    def __enter__(self) -> Self:
        # Orphans of a killed child become ours, and are found at the end.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        if signal.signal(signal.SIGHUP, self._on_signal) == signal.SIG_IGN:  # under nohup
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            self._on_terminal = False
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping = True
        try:
            self._stack.close()
        finally:
            _kill_descendants()

    def keep(self, resource: AbstractContextManager[Value]) -> Value:
        """Enter `resource`, to be left in its turn."""
        return self._stack.enter_context(resource)

    def start(self, program: Program) -> None:
        """Start `program` and wait until it is ready. Raises StackError."""
        process = Process(program, show=self._console.lines_of(program.name))
        try:
            self.keep(process)
        except StackError:
            self.check()  # what it relied on may have ended first, and is the better reason
            raise
        if not program.once:
            self._processes.append(process)

    def check(self) -> None:
        """Raises StackError when a program has ended."""
        for process in self._processes:
            if (code := process.exit_code()) is not None:
                raise StackError(f"{process.program.name} {_how_it_ended(code)}")

    def watch(self) -> NoReturn:
        while True:
            self.check()
            # Its end may be told to nobody but `make`, which keeps it to itself.
            if self._on_terminal and not os.isatty(STDIN):
                raise KeyboardInterrupt("the end of its terminal")
            time.sleep(WATCH_SECONDS)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping = True
            raise KeyboardInterrupt(signal.Signals(number).name)
        _kill_descendants()


def _kill_descendants() -> None:
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
