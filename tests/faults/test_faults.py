"""The short version of the fault suite; `make faults ARGS="--seconds 600"` is the long one."""

from pathlib import Path

import pytest

from tests.faults.proxy import Mode
from tests.faults.purging import purge_under_load
from tests.faults.suite import run, without_clickhouse

SEED = 7


def test_nothing_is_lost_or_doubled_while_parts_die(tmp_path: Path) -> None:
    outcome = run(tmp_path / "run", seed=SEED, seconds=25, pace=0.05)
    print(outcome.summary())  # noqa: T201 - shown when it fails
    assert outcome.audit.cold > 0
    assert outcome.audit.clean, outcome.summary()
    assert not outcome.harmful, outcome.summary()


# One that hangs is noticed later by the patience of an insert; it is among the faults above too.
@pytest.mark.parametrize(
    ("mode", "seconds"),
    [(Mode.GONE, 4), pytest.param(Mode.HUNG, 15, marks=pytest.mark.slow)],
)
def test_no_request_fails_while_clickhouse_does_not_answer(
    tmp_path: Path, mode: Mode, seconds: float
) -> None:
    silence = without_clickhouse(tmp_path / "run", seconds=seconds, pace=0.05, mode=mode)
    assert set(silence.clients.statuses) <= {200, 202}
    assert silence.stored < 5
    assert silence.ready == 503
    assert silence.backlog > 0
    assert silence.audit.cold > 0
    assert silence.audit.clean, silence.audit


def test_a_purge_amid_requests_is_short_and_nobody_notices(tmp_path: Path) -> None:
    purge = purge_under_load(tmp_path / "run", rows=200_000, pace=0.05)
    assert set(purge.clients.statuses) <= {200, 202}
    assert purge.seconds < 2
    assert purge.clients.longest < 2
