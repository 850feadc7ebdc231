"""Shows the lines of many processes on one terminal: each line is whole and has a name in front."""

import os
import sys
import threading
from collections.abc import Callable
from datetime import datetime

from honcho.colour import get_colours
from honcho.printer import Message, Printer

NAME_WIDTH = 10


class Console:
    """One thread per process writes to it. If the terminal is gone, only lines are lost."""

    def __init__(self) -> None:
        self._printer = Printer(width=NAME_WIDTH, colour="NO_COLOR" not in os.environ)
        self._colours = get_colours()
        self._lock = threading.Lock()

    def lines_of(self, name: str) -> Callable[[str], None]:
        """A function that shows a line with `name` in front."""
        colour = next(self._colours)

        def show(line: str) -> None:
            now = datetime.now().astimezone()
            message = Message(type="line", data=line, time=now, name=name, colour=colour)
            self._print(lambda: self._printer.write(message))

        return show

    def say(self, text: str) -> None:
        self._print(lambda: print(text, flush=True))

    def _print(self, write: Callable[[], None]) -> None:
        with self._lock:
            try:
                write()
            except OSError:
                # A closed terminal or a full disk must not stop a child that only wants to log.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
