"""One child process of the stack: started, waited for until ready, and stopped with its kin."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mirakuru import SimpleExecutor
from mirakuru.exceptions import ProcessFinishedWithError

from embedded.supervision import launch

PROJECT = Path(__file__).resolve().parents[2]
LAST_LINES = 20
POLL_SECONDS = 0.02
# A start takes seconds; on a machine that has twenty times as much to do, minutes.
START_SECONDS = 600
# For an answer to the question whether it is ready; then it is asked again.
PATIENCE_SECONDS = 5


class StackError(Exception):
    """What stops the stack; its text is for the person who started it."""


def running_is_ready() -> bool:
    """The readiness check of a program that serves nobody."""
    return True


def ignore(line: str) -> None:
    """The reader of output nobody wants to see."""


def prepare_nothing() -> None:
    """What most programs need before they start."""


def only_wait(seconds: float) -> None:
    """What most do while a program starts."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run and how to know it is ready; both timeouts are in seconds.

    `orphan_signal` is what it gets instead of `stop_signal` when the stack itself was killed;
    `url` is where it serves; `once` says that it is ready when it has ended well; `prepare` runs
    before each start; `held_files` are descriptors it and its children keep open, such as that of
    a lock; `relies_on` tells whether each of the stores it needs answers, by the store's name.
    """

    name: str
    command: list[str]
    url: str = ""
    once: bool = False
    ready: Callable[[], bool] = running_is_ready
    prepare: Callable[[], object] = prepare_nothing
    folder: Path = PROJECT
    identity: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals | None = None
    start_timeout: float = START_SECONDS
    stop_timeout: float = 60
    environment: Mapping[str, str] = field(default_factory=dict)
    held_files: tuple[int, ...] = ()
    relies_on: Mapping[str, Callable[[], bool]] = field(default_factory=dict)


def launch_command(program: Program) -> list[str]:
    """Its command line as a child of this very process, with which it will end."""
    identity = [f"--identity={program.identity}"] if program.identity else []
    return [
        *(sys.executable, "-I", launch.__file__, f"--parent={os.getpid()}"),
        *(
            f"--signal={program.orphan_signal or program.stop_signal:d}",
            f"--folder={program.folder}",
            *identity,
        ),
        *("--", *program.command),
    ]


class Process(SimpleExecutor):
    """A `Program` under mirakuru, which stops whatever descends from it along with it.

    To be started from the main thread (see `launch.end_with`). Every line it prints goes to
    `show`, called from a thread; the last ones are kept for the error that needs them.
    """

    def __init__(self, program: Program, *, show: Callable[[str], None] = ignore) -> None:
        output, printed_to = os.pipe()
        self._printed_to = open(printed_to, "wb")  # noqa: SIM115 - closed by `end`
        super().__init__(
            launch_command(program),
            timeout=program.stop_timeout,
            sleep=POLL_SECONDS,
            stop_signal=program.stop_signal,
            envvars=dict(program.environment),
            stdin=subprocess.DEVNULL,
            stdout=self._printed_to,
            stderr=subprocess.STDOUT,
            popen_kwargs={"pass_fds": program.held_files},
        )
        self.program = program
        self._show = show
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._reader = threading.Thread(target=self._read, args=[output], daemon=True)
        self._reader.start()

    @property
    def _popen_kwargs(self) -> dict[str, Any]:
        """mirakuru's, less the Python code between fork and exec: unsafe beside our threads."""
        kwargs = super()._popen_kwargs
        del kwargs["preexec_fn"]
        return kwargs | {"start_new_session": True}

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        try:
            self.program.prepare()
            super().start()
        except BaseException:
            self.end()
            raise

    def start(self, meanwhile: Callable[[float], None] = only_wait) -> Self:
        """Start it and wait until it is ready; `meanwhile` is told the seconds again and again.

        Raises StackError, with the last lines printed, unless it becomes ready in time.
        """
        self.launch()
        try:
            self._wait_until_ready(meanwhile)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        # How it ends is of interest only when nobody asked it to.
        with suppress(ProcessFinishedWithError):
            self.stop()
        self.end()

    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that killed it.

        Not by `Popen.poll`: where a signal's handler raises in there, its lock may stay taken, and
        whoever waits for the process waits for ever. Seen once in 270 stops.
        """
        if self.process is None:
            return None
        if self.process.returncode is not None:
            return int(self.process.returncode)
        try:
            look = os.WEXITED | os.WNOHANG | os.WNOWAIT
            ended = os.waitid(os.P_PID, self.process.pid, look)
        except ChildProcessError:  # somebody else has asked
            return self.process.poll()
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def running(self) -> bool:
        """mirakuru's own asks `Popen.poll`."""
        return self.process is not None and self.exit_code() is None

    def end(self) -> None:
        """Kill what is left of it and read its output to the end; a second time changes nothing."""
        self.kill()
        self._printed_to.close()
        self._reader.join(timeout=1)

    def failure(self, what: str) -> StackError:
        """End it; the error says `what` it did, and what it printed last."""
        self.end()
        return StackError("\n".join([f"{self.program.name} {what}", *self._lines]))

    def _wait_until_ready(self, meanwhile: Callable[[float], None]) -> None:
        began = time.monotonic()
        while not self._is_ready():
            waited = time.monotonic() - began
            if waited > self.program.start_timeout:
                raise self.failure(f"was not ready after {self.program.start_timeout:g} s")
            meanwhile(waited)
            time.sleep(POLL_SECONDS)

    def _is_ready(self) -> bool:
        code = self.exit_code()
        if code is None:
            return not self.program.once and self.program.ready()
        if self.program.once and code == 0:
            return True
        raise self.failure(f"{how_it_ended(code)} before it was ready")

    def _read(self, output: int) -> None:
        with open(output, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self._lines.append(line.rstrip("\n"))
                self._show(line)


def how_it_ended(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
