"""The processes of the service itself: the commands that set up its stores, then the servers."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path

import kombu.exceptions
import redis
import urllib3
from amqp.exceptions import AMQPError
from celery import Celery

from embedded import data_folder, stores
from embedded.ports import HOST
from embedded.supervision.processes import PATIENCE_SECONDS, PROJECT, Program, StackError

# Celery warns against root because of pickled messages; our messages are not pickled.
QUIET = ["-W", "ignore:You're running the worker with superuser privileges"]
CELERY = [*QUIET, "-m", "celery", "--quiet", "--app", "config"]
NODE = f"stack@{socket.gethostname()}"
WORKER = [*CELERY, "worker", "--loglevel", "warning", "--hostname", NODE]
WORKER += ["--without-gossip", "--without-mingle"]  # there is no other worker
BEAT = [*CELERY, "beat", "--loglevel", "warning", "--scheduler"]
BEAT += ["config.scheduling.scheduler:Scheduler"]
WEB = ["-m", "embedded.web", "--interface", "rsgi", "--loop", "uvloop", "--workers", "2"]
# The most connections of one worker; further ones wait. A thousand silent connections leave room
# for others, and all connections of a worker stay under the usual limit of 1,024 files. Silent
# connections are closed after 30 s, if HTTP/2 is off.
WEB += ["--backpressure", "800", "--http", "1"]
# Without this, a request for a websocket gets an error of the server.
WEB += ["--no-ws"]
# A longer head is refused (431); the real limit may be up to twice this. By default 400 KB of
# headers are accepted.
WEB += ["--http1-buffer-size", "32768"]
# Without this, the death of one worker, for example for lack of memory, ends all of them.
WEB += ["--respawn-failed-workers", "--respawn-interval", "0.5"]
# A worker that is told to stop while it is still starting never stops by itself.
WEB += ["--workers-kill-timeout", "10"]
WEB += ["--log-level", "warning", "config.server.rsgi:application", "--host", HOST, "--port"]
# Makes the tables of both stores those of this version.
TABLES = [["migrate", "--verbosity=0"], ["migrate_clickhouse"]]
COMMAND_SECONDS = 24 * 3600
# A task that is not finished by then is killed, and its message is delivered again.
GRACE_SECONDS = 30


def require_settings(environment: Mapping[str, str]) -> None:
    """Raises StackError with what is wrong with a setting. Without that, each program would say it,
    after the stores were made.
    """
    done = subprocess.run(
        commands("settings", [], environment).command,
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(done.stderr.strip())


def programs(folder: Path, port: int, environment: Mapping[str, str]) -> Iterator[Program]:
    """All programs, in the order they start."""
    # A killed worker leaves a temporary folder behind; making TMPDIR anew removes it.
    environment = {**environment, "TMPDIR": str(data_folder.fresh(folder / "tmp"))}
    admin = ["ensure_admin", "--password-file", str(folder / "admin-password")]
    yield commands("setup", [*TABLES, admin], environment)
    yield from _servers(folder, port, environment)


def commands(name: str, each: list[list[str]], environment: Mapping[str, str]) -> Program:
    """Commands of manage.py that run to their end, one after another."""
    return Program(
        name=name,
        command=[sys.executable, "-m", "embedded.commands", *map(shlex.join, each)],
        once=True,
        start_timeout=COMMAND_SECONDS,
        environment=environment,
    )


def _servers(folder: Path, port: int, environment: Mapping[str, str]) -> Iterator[Program]:
    """Worker, beat and web. They stop in reverse, so the last accepted event finds a worker."""
    broker = environment.get("CELERY_BROKER_URL", environment["REDIS_URL"])
    server = partial(
        Program,
        stop_timeout=GRACE_SECONDS,
        environment=environment,
        relies_on=stores.checks(environment),
        disk=folder,
    )
    yield server(
        name="worker",
        command=[sys.executable, *WORKER],
        ready=_consumer(broker),
        # A signal reaches the whole group, and Celery's children leave SIGINT to their parent.
        stop_signal=signal.SIGINT,
        # After SIGINT it would wait for Redis, which is gone too. Its children end with it.
        orphan_signal=signal.SIGKILL,
    )
    yield server(name="beat", command=[sys.executable, *BEAT])
    yield server(
        name="web", command=[sys.executable, *WEB, str(port)], ready=lambda: _answers(port)
    )


def _consumer(broker: str) -> Callable[[], bool]:
    """A check whether our worker answers on its queue.

    A worker never answers a question that comes too early, and on a busy machine it answers late.
    So each check waits a tenth of the time that the start has taken so far.
    """
    began = time.monotonic()

    def answers() -> bool:
        patience = min(max(0.5, (time.monotonic() - began) / 10), PATIENCE_SECONDS)
        try:
            with Celery(broker=broker, set_as_current=False) as app:
                return bool(app.control.ping(destination=[NODE], timeout=patience))
        except (kombu.exceptions.OperationalError, redis.RedisError, AMQPError, OSError):
            return False

    return answers


def _answers(port: int) -> bool:
    try:
        address = f"http://{HOST}:{port}/health"
        answer = urllib3.request("GET", address, timeout=PATIENCE_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
