"""Starts programs in order, restarts those that die, and stops all of them at the end."""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from types import FrameType
from typing import NoReturn, Self, TypeVar

import psutil

from embedded.supervision.child import Child
from embedded.supervision.console import Console
from embedded.supervision.processes import Program

PR_SET_CHILD_SUBREAPER = 36
STDIN = 0
WATCH_SECONDS = 0.05
SAY_SECONDS = 5.0
ORPHAN_SECONDS = 10.0
# Signals that come within this time are one: `make` passes a SIGTERM on, even if its whole group
# has got it.
SAME_SECONDS = 1.0
Value = TypeVar("Value")


class Supervisor:
    """In its context, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt; a second one kills all,
    unless it comes within a second of the first.

    At the end of the context, the started programs end in reverse order. No descendant is left.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._say = console.lines_of("stack")
        self._stack = ExitStack()
        self._children: list[Child] = []
        self._starting: Child | None = None
        self._stopping = False
        self._asked: float | None = None
        self._on_terminal = os.isatty(STDIN)

    def __enter__(self) -> Self:
        # The orphans of a killed child become children of this process, which can then find them.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        # Even if it was ignored, as in the background of a script: there Ctrl-C ends both.
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
            _kill(psutil.Process().children(recursive=True))

    def keep(self, resource: AbstractContextManager[Value]) -> Value:
        """Enter `resource`; at the end it is left in reverse order like the programs."""
        return self._stack.enter_context(resource)

    def start(self, program: Program) -> None:
        """Start `program` and wait until it is ready. Meanwhile, restart other programs that die.

        Raises StackError, also if another program has died too often.
        """
        show = self._console.lines_of(program.name)
        if program.quiet_at_start:
            show("starts ...")
        child = Child(program, show=show)
        self._stack.callback(child.stop)
        self._starting = child
        child.start(self._meanwhile(program))
        self._starting = None
        if not program.once:
            self._children.append(child)

    def look_after(self) -> None:
        """Restart the programs that have died. Raises StackError if one has died too often."""
        for child in self._children:
            if child.has_died:
                self._kill_orphans()
                child.bury()
            if child.is_due:
                self._say(child.start_again())
        # When the terminal closes, perhaps only `make` gets a signal and does not pass it on.
        if self._on_terminal and not os.isatty(STDIN):
            raise KeyboardInterrupt("the end of its terminal")

    def watch(self) -> NoReturn:
        while True:
            self.look_after()
            time.sleep(WATCH_SECONDS)

    def _meanwhile(self, program: Program) -> Callable[[float], None]:
        """A function to call while it starts, with the seconds so far."""
        said = 0.0

        def look(waited: float) -> None:
            nonlocal said
            self.look_after()
            if waited >= said + SAY_SECONDS:
                said = waited
                most = f"gives up after {program.start_timeout:g} s"
                self._say(f"Still waiting for {program.name}: {waited:.0f} s ({most})")

        return look

    def _kill_orphans(self) -> None:
        """Kill the processes that a dead child has left.

        Those of PostgreSQL hold its memory, and no other server starts before it is free. Those of
        granian hold its port.
        """
        known = {child.pid for child in (*self._children, self._starting) if child}
        ours = psutil.Process().children()
        orphans = [process for process in ours if process.pid not in known]
        for orphan in orphans:
            with suppress(psutil.NoSuchProcess):
                _kill([orphan, *orphan.children(recursive=True)])
        psutil.wait_procs(orphans, timeout=ORPHAN_SECONDS)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._asked is not None and now < self._asked + SAME_SECONDS:
            return
        if not self._stopping:
            self._stopping, self._asked = True, now
            raise KeyboardInterrupt(signal.Signals(number).name)
        _kill(psutil.Process().children(recursive=True))


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
