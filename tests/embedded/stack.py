"""A run of `python -m embedded` as a user would start it, and what is left of it afterwards."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from embedded import ports
from embedded.__main__ import STORE_VARIABLES
from embedded.supervision.processes import PROJECT
from tests.waiting import wait_until

# Far above what it takes: they bound a failure, not a success.
READY_SECONDS = 120
END_SECONDS = 60


@dataclass
class Stack:
    folder: Path
    port: int
    output: Path
    process: subprocess.Popen[bytes]

    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        self.wait_until_printed("Events Analytics is ready")

    def wait_until_printed(self, text: str) -> None:
        wait_until(
            lambda: text in self.printed() or self.process.poll() is not None,
            seconds=READY_SECONDS,
            every=0.1,
        )
        assert text in self.printed(), self.printed()

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(END_SECONDS)

    def folders(self) -> set[Path]:
        """Where its children work."""
        found = set()
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                found.add(Path(child.cwd()))
        return found

    def child(self, *words: str) -> psutil.Process:
        """The direct child whose command line has all `words`."""
        for child in psutil.Process(self.process.pid).children():
            # One that was killed a moment ago has no command line any more.
            with suppress(psutil.Error):
                if set(words) <= set(child.cmdline()):
                    return child
        raise AssertionError(f"no child runs {words}")


def environment(folder: Path, port: int, **variables: str) -> dict[str, str]:
    """This process's, less the stores of the tests and what a user's does not have."""
    tests_alone = {*STORE_VARIABLES, "DJANGO_SETTINGS_MODULE"}
    mine = {name: value for name, value in os.environ.items() if name not in tests_alone}
    return {**mine, "DATA_DIR": str(folder), "PORT": str(port), **variables}


@contextmanager
def running(folder: Path, *options: str, **variables: str) -> Iterator[Stack]:
    """A stack that has been started, not waited for; killed at the end if it still runs."""
    port = ports.pick_free()
    output = folder.with_suffix(".log")
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "embedded", *options],
            cwd=PROJECT,
            env=environment(folder, port, **variables),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Stack(folder, port, output, process)
    finally:
        process.kill()
        process.wait()


def refused(folder: Path, port: int, **variables: str) -> str:
    """What a run that must not start prints."""
    finished = subprocess.run(
        [sys.executable, "-m", "embedded"],
        cwd=PROJECT,
        env=environment(folder, port, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    return finished.stderr


def runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def left_of(folder: Path) -> list[str]:
    """The command lines of the processes that work in or for `folder`."""
    lines = (_command_line_of(process, folder) for process in psutil.process_iter())
    return [line for line in lines if line is not None]


def _command_line_of(process: psutil.Process, folder: Path) -> str | None:
    """None where it works for nobody in `folder`."""
    try:
        if not runs(process) or process.pid == os.getpid():
            return None
        words = process.cmdline()
        in_folder = process.cwd().startswith(f"{folder}/")  # PostgreSQL's overwrite the rest
        named = any(str(folder) in word for word in words)
        theirs = in_folder or named or process.environ().get("DATA_DIR") == str(folder)
        return " ".join(words) if theirs else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
