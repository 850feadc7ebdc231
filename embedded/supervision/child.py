"""Keeps one program running: when its process ends, another process is started."""

import shutil
import time
from collections.abc import Callable, Iterator

from embedded.supervision.deaths import MOST, Deaths
from embedded.supervision.processes import Process, Program, how_it_ended

# A disk with less counts as full. PostgreSQL ends if it can't make a file of 16 MB for its log, and
# a store that has ended may leave some room: it, or its next start, removes what is unfinished.
FULL_BYTES = 32 * 2**20


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

        If a store that the program relies on does not answer, or the disk is full, the death is
        excused, because that may be the cause. So a worker is not given up because PostgreSQL was
        away for half a minute, and what waits continues when somebody has made room.
        """
        process = self._process
        if process is None or (code := process.exit_code()) is None:
            return
        process.end()
        excuses = list(_excuses(self.program))
        self._deaths.add(time.monotonic(), excused=bool(excuses))
        how = how_it_ended(code)
        if self._deaths.too_many:
            raise process.failure(f"{how}, the {MOST}th time within a minute")
        excuse = f" while {' and '.join(excuses)}" if excuses else ""
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


def _excuses(program: Program) -> Iterator[str]:
    """What may have been the cause of its death, apart from itself."""
    away = [name for name, answers in program.relies_on.items() if not answers()]
    if away:
        yield f"{' and '.join(away)} did not answer"
    if program.disk and shutil.disk_usage(program.disk).free < FULL_BYTES:
        yield f"the disk with {program.disk} was full: make room"
