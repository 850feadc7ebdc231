"""A supervisor as a process of its own, and stand-ins for the programs it starts."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.supervision.processes import PROJECT
from tests.waiting import wait_until

SUPERVISE = """
import signal, sys, time
from pathlib import Path
from embedded.supervision import deaths, supervisor as supervision
from embedded.supervision.console import Console
from embedded.supervision.processes import Program, StackError
from embedded.supervision.supervisor import Supervisor

def python(name, source, **options):
    return Program(name=name, command=[sys.executable, "-c", source], **options)

console = Console()
try:
    with Supervisor(console) as supervisor:
        {start}
        supervisor.watch()
except KeyboardInterrupt as stopped:
    console.say(f"stopped by {{stopped}}")
except StackError as error:
    sys.exit(f"failed: {{error}}")
"""
POLITE = """'''
import signal, sys, time
def leave(*_): print("leaves", flush=True); sys.exit()
signal.signal(signal.SIGTERM, leave)
print("is up", flush=True)
time.sleep(600)
'''"""
LEAVES_SLOWLY = """'''
import signal, sys, time
def leave(*_): time.sleep(0.8); print("has tidied up", flush=True); sys.exit()
signal.signal(signal.SIGTERM, leave)
print("is up", flush=True)
time.sleep(600)
'''"""
STUBBORN = """'''
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("is up", flush=True)
time.sleep(600)
'''"""
SLEEPS = "import time; print('is up', flush=True); time.sleep(600)"
TALKS = """'''
import time
print("oO0OoO0", flush=True)
time.sleep(0.5)  # or a line before `then` might be read after it
{then}
time.sleep(600)
'''"""
QUIET = "quiet_at_start=True"
WITH_RUNAWAY = """'''
import subprocess, time
subprocess.Popen(["sleep", "600"], start_new_session=True)
print("is up", flush=True)
time.sleep(600)
'''"""


IN_BACKGROUND = ("sh", "-c", "trap '' INT QUIT; exec \"$@\"", "sh")


@contextmanager
def supervising(
    output: Path, *start: str, by: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    command = [*by, sys.executable, "-c", SUPERVISE.format(start="; ".join(start))]
    with output.open("wb") as file:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=file, stderr=subprocess.STDOUT)
    with ended(process):
        yield process


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Whatever becomes of the test: it would go on for ever."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def count_up(output: Path, programs: int) -> None:
    wait_until(lambda: output.read_text().count("is up") == programs, seconds=20)
