"""The whole service behind a PgBouncer in transaction mode, with two workers and more at once."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from embedded import application
from embedded.supervision.processes import PROJECT, Process, Program
from tests.faults import plan, suite
from tests.faults.clients import Clients
from tests.faults.service import Service, running
from tests.scaling import pgbouncer
from tests.waiting import wait_until

pytestmark = [pytest.mark.production, pgbouncer.needs_pgbouncer]
LOAD_SECONDS = 2


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    bouncer = pgbouncer.in_front(tmp_path_factory.mktemp("pgbouncer"), pool=8)
    with running(folder, {"DATABASE_URL": bouncer}) as running_service:
        yield running_service


@contextmanager
def another_worker(service: Service) -> Iterator[None]:
    command = [sys.executable, *application.CELERY, "worker", "--hostname", "another@here"]
    with Process(Program(name="another", command=command, environment=service.settings())):
        yield


def manage(service: Service, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", *command],
        cwd=PROJECT,
        env=service.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def each_in_turn(service: Service, *commands: str) -> "subprocess.Popen[str]":
    """In one process: half of a short command is Python starting."""
    code = f"from django.core.management import call_command\nfor c in {commands}: call_command(c)"
    return manage(service, "shell", "--no-imports", "--command", code)


def said(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def direct(service: Service, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(service.address("postgres")) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_events_come_in_by_every_way_once_and_the_stores_agree(service: Service) -> None:
    clients = Clients(service.port, service.places, seed=11, threads=2, pace=0.3)
    with another_worker(service):
        clients.start()
        try:
            _import_twice_at_once(service)
            said(each_in_turn(service, "deliver_batches", "purge_hot_events"))
            time.sleep(LOAD_SECONDS)
        finally:
            clients.stop()
        suite.drain(service.variables)
    found = suite.count(service)
    assert found.clean, found
    assert set(clients.statuses) == {200, 202}
    assert "the stores agree" in said(each_in_turn(service, "verify_stores", "rebuild_rollups"))
    assert suite.count(service).clean


def _import_twice_at_once(service: Service) -> None:
    """One of them is told that the other is at it, or that it was done."""
    places = service.places
    [place], numbers = places.stay, places.claim(suite.IMPORT_ROWS)
    file = service.folder / "events.csv"
    suite.write(file, numbers, place)
    places.send(place, numbers)
    both = [plan.importer(service, file) for _ in range(2)]
    assert 0 in [one.wait(120) for one in both]
    assert plan.importer(service, file).wait(120) == 0
    places.promise(place, numbers)


def test_a_repair_keeps_another_out_and_leaves_no_lock_behind(service: Service) -> None:
    """A lock of a session would be left with the connection that PgBouncer lent for it."""
    for _ in range(2):
        said(manage(service, "verify_stores", "--repair"))
    wait_until(lambda: not _locks(service), seconds=10, what="until no lock is left")


def _locks(service: Service) -> list[tuple[object, ...]]:
    return direct(service, "SELECT pid FROM pg_locks WHERE locktype = 'advisory'")


def test_the_admins_lists_are_read_without_a_cursor_of_the_server(service: Service) -> None:
    code = (
        "from django_celery_beat.models import CrontabSchedule as C\n"
        "print(sum(1 for _ in C.objects.iterator(chunk_size=1)) == C.objects.count())"
    )
    assert said(manage(service, "shell", "--no-imports", "--command", code)).strip() == "True"
