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
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NoReturn

from tests.project import PROJECT

# What a worker would import only when it starts.
_OF_WORKERS = ("celery.bin.worker", "celery.apps.worker", "celery.concurrency.prefork")

_WORKER = ("worker", "--without-gossip", "--without-mingle")

_running: dict[str, Any] = {}


class Child:
    """A process that runs `worker` or a command of manage.py, with a group of its own.

    `worker` may be followed by the seconds after which it takes up what another one held.
    `dies` is a function, `before` or `after` that runs, and a file: the first process that makes
    the file then kills itself.
    """

    def __init__(
        self, variables: Mapping[str, str], *command: str, dies: tuple[str, str, str] | None = None
    ) -> None:
        self._parent = _parent(variables)
        self.pid = self._ask("start", command, dies)
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

    def kill(self) -> None:
        """With all of its group."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def _ask(self, *job: Any) -> Any:
        assert self._parent.stdin
        assert self._parent.stdout
        self._parent.stdin.write(json.dumps(job).encode() + b"\n")
        self._parent.stdin.flush()
        return json.loads(self._parent.stdout.readline())


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

    django.setup()
    import_module("config.celery").app.loader.import_default_modules()
    for name in _OF_WORKERS:
        import_module(name)
    for line in sys.stdin:
        kind, *job = json.loads(line)
        print(json.dumps(_start(*job) if kind == "start" else _poll(*job)), flush=True)  # noqa: T201


def _poll(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _start(command: list[str], dies: list[str] | None) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        if dies:
            _have_die(*dies)
        _run(command)
        code = 0
    finally:
        os._exit(code)


def _run(command: list[str]) -> None:
    if command[0] == "worker":
        _work(*command[1:])
    else:
        import_module("django.core.management").call_command(*command)


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
