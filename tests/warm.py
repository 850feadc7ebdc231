"""A process that has loaded the service and forks: a child of it starts without a second of CPU.

To be killed, such a child is as good as one that was started from nothing. Its jobs come as lines
of JSON, and so do its answers.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, NoReturn

from tests.project import PROJECT

# What a worker or a command would import only when it starts.
_LATE = (
    *("celery.bin.worker", "celery.apps.worker", "celery.concurrency.prefork"),
    *("importer.management.commands.import_events", "importer.management.commands.export_events"),
)

_WORKER = ("worker", "--without-gossip", "--without-mingle")

_running: dict[str, Any] = {}
_lock = threading.Lock()


class Child:
    """A process that runs `worker` or a command of manage.py, with a group of its own.

    `worker` may be followed by the seconds after which it takes up what another one held.
    `dies` is a function, `before` or `after` that runs, and a file: the first process that makes
    the file then kills itself. `changes` are constants, `module:NAME`, and their values in it.
    What it says goes into the files `output`: its standard output and its errors. It works in
    `folder`, by default in the project's.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        *command: str,
        dies: tuple[str, str, str] | None = None,
        changes: Mapping[str, Any] | None = None,
        output: tuple[str, str] | None = None,
        folder: str = str(PROJECT),
    ) -> None:
        with _lock:
            self._parent = _parent(variables)
        self.pid = self._ask("start", command, dies, changes or {}, output, folder)
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self._code is None:
            self._code = self._ask("poll", self.pid)
        return self._code

    def wait(self, seconds: float = 60) -> int:
        deadline = time.monotonic() + seconds
        while (code := self.poll()) is None:
            assert time.monotonic() < deadline, "it goes on"
            time.sleep(0.02)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """With all of its group."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def _ask(self, *job: Any) -> Any:
        assert self._parent.stdin
        assert self._parent.stdout
        with _lock:
            self._parent.stdin.write(json.dumps(job).encode() + b"\n")
            self._parent.stdin.flush()
            return json.loads(self._parent.stdout.readline())


class Heard(Child):
    """A command of manage.py whose output is read here; with its errors in it if `together`."""

    def __init__(
        self,
        variables: Mapping[str, str],
        *command: str,
        changes: Mapping[str, Any] | None = None,
        together: bool = False,
        folder: str = str(PROJECT),
    ) -> None:
        pipes = [os.pipe() for _ in range(1 if together else 2)]
        # Which another process can open by these names.
        ends = [f"/proc/{os.getpid()}/fd/{end}" for _, end in pipes]
        try:
            output = (ends[0], ends[-1])
            super().__init__(variables, *command, changes=changes, output=output, folder=folder)
        finally:
            for _, end in pipes:
                os.close(end)
        self._pipes = [os.fdopen(end, "rb") for end, _ in pipes]

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def communicate(self, timeout: float = 60) -> tuple[bytes, bytes]:
        """All of its output and its errors. It has ended then, or is killed after so long."""
        late = threading.Timer(timeout, self.kill)
        late.start()
        try:
            with ThreadPoolExecutor(len(self._pipes)) as readers:
                said = list(readers.map(lambda pipe: pipe.read(), self._pipes))
            self.wait()
        finally:
            late.cancel()
            for pipe in self._pipes:
                pipe.close()
        return said[0], said[-1] if len(said) > 1 else b""


def _parent(variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """The process of before, unless the environment is another now."""
    given = {name: value for name, value in variables.items() if name != "PYTEST_CURRENT_TEST"}
    if _running.get("given") != given:
        _end()
        _running["given"] = given
        _running["process"] = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=PROJECT,
            env=given,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        atexit.register(_end)
    process: subprocess.Popen[bytes] = _running["process"]
    return process


def _end() -> None:
    if process := _running.pop("process", None):
        process.communicate()  # it ends when there are no more jobs


# --- The process itself


def _serve() -> None:
    import django  # noqa: PLC0415 - only here the settings are those of the tests' stores

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    import_module("config.celery").app.loader.import_default_modules()
    for name in _LATE:
        import_module(name)
    for line in sys.stdin:
        kind, *job = json.loads(line)
        print(json.dumps(_start(*job) if kind == "start" else _poll(*job)), flush=True)  # noqa: T201


def _poll(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _start(
    command: list[str],
    dies: list[str] | None,
    changes: dict[str, Any],
    output: list[str] | None,
    folder: str,
) -> int:
    said = [os.open(file, os.O_WRONLY) for file in output or ()]
    if pid := os.fork():
        for end in said:
            os.close(end)
        return pid
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for end, number in zip(said or [2], (1, 2), strict=False):
            os.dup2(end, number)
        if dies:
            _have_die(*dies)
        for name, value in changes.items():
            _change(name, value)
        code = _run(command)
    finally:
        os._exit(code)


def _change(name: str, value: Any) -> None:
    module, _, constant = name.partition(":")
    assert hasattr(import_module(module), constant), name
    setattr(import_module(module), constant, value)


def _run(command: list[str]) -> int:
    """The exit code, as an interpreter makes it of what ends the command."""
    try:
        if command[0] == "worker":
            _work(*command[1:])
        else:
            run = import_module("django.core.management").execute_from_command_line
            run(["manage.py", *command])
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _work(takes_up_after: str = "5") -> None:
    """As the service does, but it looks more often for what others held and which child died."""
    app = import_module("config.celery").app
    options = {"visibility_timeout": int(takes_up_after), "unacked_restore_interval": 0.2}
    app.conf.broker_transport_options |= options
    # Celery looks every 5 s for a child whose end it was not told.
    pool = import_module("celery.concurrency.asynpool").AsynPool
    pool.timers = property(lambda pool: {pool.maintain_pool: 0.2})
    app.worker_main([*_WORKER, "--concurrency", "2"])


def _have_die(function: str, when: str, flag: str) -> None:
    module, _, path = function.partition(":")
    *parents, name = path.split(".")
    owner = import_module(module)
    for parent in parents:
        owner = getattr(owner, parent)
    real = getattr(owner, name)

    def dying(*args: Any, **given: Any) -> Any:
        mine = _is_first(flag)
        if mine and when == "before":
            _die()
        result = real(*args, **given)
        if mine:
            _die()
        return result

    setattr(owner, name, dying)


def _is_first(flag: str) -> bool:
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed")


if __name__ == "__main__":
    _serve()
