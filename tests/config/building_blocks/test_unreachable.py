"""Commands whose stores can't be reached."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management.base import CommandError

from config.building_blocks import unreachable
from embedded import ports
from embedded.supervision.processes import PROJECT

REFUSED = psycopg.OperationalError("connection refused")


def test_all_that_can_not_be_reached_is_named_without_passwords(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", "/some/folder")
    one, two, three = (ports.pick_free() for _ in range(3))
    settings.DATABASE_URL = f"postgresql://me:hidden@127.0.0.1:{one}/events"
    settings.REDIS_URL = f"redis://:hidden@127.0.0.1:{two}/0"
    settings.CLICKHOUSE_URL = f"http://me:hidden@127.0.0.1:{three}/events"
    assert unreachable.sentence(REFUSED) == (
        f"PostgreSQL at 127.0.0.1:{one}, Redis at 127.0.0.1:{two} and ClickHouse at"
        f" 127.0.0.1:{three} can't be reached: make up must be running with the same DATA_DIR"
        " (here /some/folder), or DATABASE_URL, REDIS_URL and CLICKHOUSE_URL must name a server"
        " that runs"
    )


@pytest.mark.usefixtures("stores")
def test_errors_that_have_another_cause_are_left_as_they_are(settings: Any) -> None:
    assert unreachable.sentence(REFUSED) == ""  # all stores answer
    settings.REDIS_URL = "redis://one:7000,two:7000"
    assert unreachable.sentence(REFUSED) == ""  # who knows
    settings.CLICKHOUSE_URL = f"http://127.0.0.1:{ports.pick_free()}"
    assert unreachable.sentence(CommandError("there is no such project")) == ""
    assert unreachable.sentence(REFUSED).startswith("ClickHouse at 127.0.0.1:")


@pytest.mark.parametrize(
    "command",
    [["list_projects"], ["make_project", "new"], ["export_events"], ["deliver_batches"]],
    ids=lambda command: str(command[0]),
)
def test_a_command_ends_with_one_sentence(command: list[str], tmp_path: Path) -> None:
    names = ("DATABASE_URL", "REDIS_URL", "RATE_LIMIT_REDIS_URL", "CLICKHOUSE_URL")
    schemes = ("postgresql", "redis", "redis", "http")
    dead = {
        name: f"{scheme}://127.0.0.1:{ports.pick_free()}/1"
        for name, scheme in zip(names, schemes, strict=True)
    }
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=PROJECT,
        env={**os.environ, **dead, "DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("CommandError: PostgreSQL at 127.0.0.1:")
    assert f"make up must be running with the same DATA_DIR (here {tmp_path})" in done.stderr
