"""One child process of the stack: starts it, waits until it is ready, stops it and its children."""

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
# A start takes seconds, or minutes if the machine has twenty times as much to do.
START_SECONDS = 600
# How long one readiness check may take; then the next one follows.
PATIENCE_SECONDS = 5


class StackError(Exception):
    """An error that stops the stack; its text is for the person who started it."""


def running_is_ready() -> bool:
    """The readiness check of a program that serves no requests: it is ready at once."""
    return True


def ignore(line: str) -> None:
    """Drops a line of output that nobody needs to see."""


def prepare_nothing() -> None:
    """The default `prepare`: most programs need nothing before they start."""


def only_wait(seconds: float) -> None:
    """The default `meanwhile`: do nothing else while a program starts."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run and how to know it is ready; both timeouts are in seconds.

    `url` is the program's address. With `once`, the program is ready when it has ended
    successfully. `prepare` runs before each start. If the stack itself was killed, the program gets
    `orphan_signal` instead of `stop_signal`. `held_files` are descriptors that the program and its
    children keep open, such as that of a lock. `relies_on` has a check for each store that the
    program needs, by the store's name: it tells whether the store answers. `disk` is a folder on
    the disk that the program writes to. What a program that is `quiet_at_start` prints before it is
    ready is shown only if it never is.
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
    disk: Path | None = None
    quiet_at_start: bool = False


def launch_command(program: Program) -> list[str]:
    """The command line that runs it as a child of this process and ends it with this process."""
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
    """A `Program` run by mirakuru, which also stops all its descendants.

    Start it from the main thread (see `launch.end_with`). A thread calls `show` with every line
    that the program prints, and keeps the last lines for an error's text.
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
        self._is_shown = True
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._reader = threading.Thread(target=self._read, args=[output], daemon=True)
        self._reader.start()

    @property
    def _popen_kwargs(self) -> dict[str, Any]:
        """mirakuru's, without its Python code between fork and exec, which threads make unsafe."""
        kwargs = super()._popen_kwargs
        del kwargs["preexec_fn"]
        return kwargs | {"start_new_session": True}

    def launch(self) -> None:
        """Start it without waiting until it is ready."""
        try:
            self.program.prepare()
            super().start()
        except BaseException:
            self.end()
            raise

    def start(self, meanwhile: Callable[[float], None] = only_wait) -> Self:
        """Start it and wait until it is ready, calling `meanwhile` with the seconds so far.

        Raises StackError with the last printed lines if it is not ready in time.
        """
        self._is_shown = not self.program.quiet_at_start
        self.launch()
        try:
            self._wait_until_ready(meanwhile)
        except BaseException:
            self.end()
            raise
        self._is_shown = True
        return self

    def __exit__(self, *exception: object) -> None:
        # How it ended does not matter here, because it was asked to end.
        with suppress(ProcessFinishedWithError):
            self.stop()
        self.end()

    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that killed it.

        This does not use `Popen.poll`: if a signal handler raises an error in there, its lock may
        stay taken, and a later wait for the process never ends. Seen once in 270 stops.
        """
        if self.process is None:
            return None
        if self.process.returncode is not None:
            return int(self.process.returncode)
        try:
            look = os.WEXITED | os.WNOHANG | os.WNOWAIT
            ended = os.waitid(os.P_PID, self.process.pid, look)
        except ChildProcessError:  # other code has waited for it already
            return self.process.poll()
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def running(self) -> bool:
        """Replaces mirakuru's method, which calls `Popen.poll`."""
        return self.process is not None and self.exit_code() is None

    def end(self) -> None:
        """Kill what is left of it and read its output to the end; a second call changes nothing."""
        self.kill()
        self._printed_to.close()
        self._reader.join(timeout=1)

    def failure(self, what: str) -> StackError:
        """End it. Returns an error that says `what` it did and what it printed last."""
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
                if self._is_shown:
                    self._show(line)


def how_it_ended(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
