"""Keeps one program running: when its process ends, another process is started."""

import time
from collections.abc import Callable

from embedded.supervision.deaths import MOST, Deaths
from embedded.supervision.processes import Process, Program, how_it_ended


class Child:
    """The program's present process, and how often earlier ones have died."""

    def __init__(self, program: Program, *, show: Callable[[str], None]) -> None:
        self.program = program
        self._show = show
        self._process: Process | None = None
        self._deaths = Deaths()
        self._due, self._said = 0.0, ""

    @property
    def pid(self) -> int | None:
        """None while it has no process."""
        return self._process.process.pid if self._process and self._process.process else None

    def start(self, meanwhile: Callable[[float], None]) -> None:
        """Start it for the first time and wait until it is ready. Raises StackError."""
        # Set before the start: a search for orphans meanwhile must not find this process.
        self._process = Process(self.program, show=self._show)
        self._process.start(meanwhile)

    def stop(self) -> None:
        if self._process:
            self._process.__exit__()

    @property
    def has_died(self) -> bool:
        return self._process is not None and self._process.exit_code() is not None

    @property
    def is_due(self) -> bool:
        return self._process is None and time.monotonic() >= self._due

    def bury(self) -> None:
        """After a death, decide when it starts again. Raises StackError after too many deaths.

        If a store that the program relies on does not answer, the death is excused, because the
        store may be the cause. So a worker is not given up because PostgreSQL was away for half a
        minute.
        """
        process = self._process
        if process is None or (code := process.exit_code()) is None:
            return
        process.end()
        away = [name for name, answers in self.program.relies_on.items() if not answers()]
        self._deaths.add(time.monotonic(), excused=bool(away))
        how = how_it_ended(code)
        if self._deaths.too_many:
            raise process.failure(f"{how}, the {MOST}th time within a minute")
        excuse = f" while {' and '.join(away)} did not answer" if away else ""
        pause = self._deaths.pause
        when = f"after {pause:g} s" if pause else "at once"
        self._said = f"{self.program.name} {how}{excuse}; started again {when}"
        self._due = time.monotonic() + pause
        self._process = None

    def start_again(self) -> str:
        """Start it again without waiting until it is ready. Returns a line to show."""
        self._process = Process(self.program, show=self._show)
        self._process.launch()
        return self._said
