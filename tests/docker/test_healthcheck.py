"""What the containers' health checks say, run as Docker runs them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from django_redis import get_redis_connection

from config.middleware import rate_limit
from config.monitoring import liveness
from embedded import ports
from embedded.stores import redis_server
from embedded.supervision.processes import Process, Program
from tests import environment
from tests.docker import compose
from tests.docker.test_store_files import started
from tests.project import PROJECT
from tests.waiting import wait_until


def is_well(name: str, **variables: str) -> bool:
    command = [sys.executable, "docker/healthcheck.py", name]
    environment = {**os.environ, **variables}
    ended = subprocess.run(
        command, cwd=PROJECT, env=environment, stderr=subprocess.DEVNULL, check=False
    )
    return ended.returncode == 0


def test_beat_is_well_while_it_gives_signs_of_life() -> None:
    assert not is_well("beat")
    liveness.note_beat()
    assert is_well("beat")
    get_redis_connection("rate_limit").set("alive:beat", time.time() - 61)
    assert not is_well("beat")
    assert not is_well("beat", RATE_LIMIT_REDIS_URL="redis://127.0.0.1:1/0")


@pytest.mark.usefixtures("stores")
def test_beat_is_well_seconds_after_its_start() -> None:
    beat = Program(
        name="beat",
        command=[sys.executable, "-m", *compose.services()["beat"]["command"]],
        environment=environment.of_the_stores(),
    )
    assert not is_well("beat")
    with Process(beat):
        wait_until(lambda: is_well("beat"))


def rate_limit_of_compose(folder: Path) -> Program:
    return started("rate-limit", folder)


def rate_limit_of_make_up(folder: Path) -> Program:
    return redis_server.rate_limit(folder, port=ports.pick_free())


@pytest.mark.parametrize("program", [rate_limit_of_compose, rate_limit_of_make_up])
def test_signs_of_life_outlast_buckets_where_memory_is_short(
    program: Callable[[Path], Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Process(program(tmp_path)) as process:
        server = redis.Redis.from_url(process.program.url)
        monkeypatch.setattr(rate_limit, "get_redis_connection", lambda _: server)
        monkeypatch.setattr(liveness, "get_redis_connection", lambda _: server)
        liveness.note_beat()
        liveness.note_worker("one")
        rate_limit.take("first", limit=10)
        server.config_set("maxmemory", server.info("memory")["used_memory"] + 200_000)
        for number in range(4000):
            rate_limit.take(str(number), limit=10)
        assert server.info("stats")["evicted_keys"] > 1000
        seen = liveness.seen()
    assert seen.workers == 1
    assert seen.beat_age is not None
