"""One child process of the stack: started, waited for until ready, and stopped with its kin."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mirakuru import Executor
from mirakuru.exceptions import ProcessExitedWithError, ProcessFinishedWithError, TimeoutExpired

from embedded import launch

PROJECT = Path(__file__).resolve().parent.parent
LAST_LINES = 20


class StackError(Exception):
    """What stops the stack; its text is for the person who started it."""


def running_is_ready() -> bool:
    """The readiness check of a program that serves nobody."""
    return True


def ignore(line: str) -> None:
    """The reader of output nobody wants to see."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run and how to know it is ready; `timeout` in seconds bounds start and stop each.

    `orphan_signal` is what it gets instead of `stop_signal` when the stack itself was killed;
    `url` is where it serves; `once` says that it is ready when it has ended well; `held_files`
    are descriptors it and its children keep open, such as that of a lock.
    """

    name: str
    command: list[str]
    url: str = ""
    once: bool = False
    ready: Callable[[], bool] = running_is_ready
    folder: Path = PROJECT
    identity: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals | None = None
    timeout: float = 60
    environment: Mapping[str, str] = field(default_factory=dict)
    held_files: tuple[int, ...] = ()


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


class Process(Executor):
    """A `Program` under mirakuru, which stops whatever descends from it along with it.

    To be started from the main thread (see `launch.end_with`). Every line it prints goes to
    `show`, called from a thread; the last ones are kept for the error that needs them.
    """

    def __init__(self, program: Program, *, show: Callable[[str], None] = ignore) -> None:
        output, self._printed_to = os.pipe()
        super().__init__(
            launch_command(program),
            timeout=program.timeout,
            sleep=0.02,
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

    @property
    def _popen_kwargs(self) -> dict[str, Any]:
        """mirakuru's, less the Python code between fork and exec: unsafe beside our threads."""
        kwargs = super()._popen_kwargs
        del kwargs["preexec_fn"]
        return kwargs | {"start_new_session": True}

    def start(self) -> Self:
        """Raises StackError, with the last lines printed, unless it becomes ready in time."""
        self._reader.start()
        try:
            return super().start()
        except ProcessExitedWithError as error:
            raise self._failure(f"ended with code {error.exit_code} before it was ready") from None
        except TimeoutExpired:
            raise self._failure(f"was not ready after {self.program.timeout:g} s") from None
        except BaseException:
            self._end()
            raise

    def __exit__(self, *exception: object) -> None:
        # How it ends is of interest only when nobody asked it to.
        with suppress(ProcessFinishedWithError):
            self.stop()
        self._end()

    def pre_start_check(self) -> bool:
        return False

    def after_start_check(self) -> bool:
        code = self.exit_code()
        if self.program.once:
            return code == 0
        if code is not None:
            raise ProcessExitedWithError(self, code)
        return self.program.ready()

    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that killed it."""
        return self.process.poll() if self.process else None

    def _end(self) -> None:
        """Kill what is left of it and read its output to the end."""
        self.kill()
        os.close(self._printed_to)
        self._reader.join(timeout=1)

    def _failure(self, what: str) -> StackError:
        self._end()
        return StackError("\n".join([f"{self.program.name} {what}", *self._lines]))

    def _read(self, output: int) -> None:
        with open(output, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self._lines.append(line.rstrip("\n"))
                self._show(line)
