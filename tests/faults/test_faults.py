"""The short version of the fault suite; `make faults ARGS="--seconds 600"` is the long one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.supervision.processes import PROJECT
from tests.faults.proxy import Mode
from tests.faults.purging import purge_under_load
from tests.faults.queue_door import Cut
from tests.faults.service import Service, running
from tests.faults.suite import OF_DELETED, run, with_redis_cut, without_clickhouse

SEED = 7


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for all, since its start takes long."""
    folder = tmp_path_factory.mktemp("service") / "run"
    with running(folder, projects=4, doomed=1) as started:
        yield started


def test_no_request_fails_while_clickhouse_does_not_answer(service: Service) -> None:
    assert_no_request_fails(service, Mode.GONE, seconds=2)


# It is noticed later, by the patience of an insert; it is among the faults above too.
@pytest.mark.slow
def test_no_request_fails_while_clickhouse_hangs(tmp_path: Path) -> None:
    with running(tmp_path / "run") as service:
        assert_no_request_fails(service, Mode.HUNG, seconds=15)


def assert_no_request_fails(service: Service, mode: Mode, *, seconds: float) -> None:
    silence = without_clickhouse(service, seconds=seconds, pace=0.3, mode=mode)
    assert set(silence.clients.statuses) <= {200, 202}
    assert silence.stored < 5
    assert silence.ready == 503
    assert silence.backlog > 0
    assert silence.audit.cold > 0
    assert silence.audit.clean, silence.audit


def test_a_purge_amid_requests_is_short_and_nobody_notices(service: Service) -> None:
    purge = purge_under_load(service, rows=50_000, pace=0.3)
    assert set(purge.clients.statuses) <= {200, 202}
    assert purge.seconds < 2
    assert purge.clients.longest < 2


def test_who_is_told_202_has_a_message_that_redis_has_confirmed(service: Service) -> None:
    """Redis dies between the limit and the message, and between the message and its answer."""
    outcome = with_redis_cut(service, seconds=0.3, pace=0.1)
    print(outcome.summary())  # noqa: T201 - shown when it fails
    assert outcome.clean, outcome.summary()
    for cut in Cut:
        told = {outcome.answers.get(one) for one in service.queue_door.met[cut]}
        assert told == {503}


def test_nothing_is_lost_or_doubled_while_parts_die(service: Service) -> None:
    """The last, as it leaves the service without a disk."""
    outcome = run(service, seed=SEED, seconds=15, pace=0.3, between_imports=5, haste=2)
    print(outcome.summary())  # noqa: T201 - shown when it fails
    assert outcome.clients.sent > 0
    assert outcome.audit.cold > 0
    assert outcome.clean, outcome.summary()
    [deleted] = outcome.deleted
    assert deleted.statuses[202] > 0
    assert deleted.statuses.keys() & OF_DELETED


def test_the_command_of_make_faults_needs_no_settings() -> None:
    """It starts the stores itself, so Django has no settings when it is imported."""
    command = [sys.executable, "-m", "tests.faults", "--help"]
    without = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        command, cwd=PROJECT, env=without, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--seconds" in done.stdout
