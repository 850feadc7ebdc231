"""Each part of `make up` killed under load; `make faults ARGS="--stack"` takes longer."""

from pathlib import Path

import pytest

from tests.faults.stack import FOLDERS, KINDS, WORDS, soak


def test_nothing_is_lost_or_doubled_when_each_part_of_make_up_is_killed_once(
    tmp_path: Path,
) -> None:
    soaked = soak(tmp_path / "run", seed=7, seconds=len(KINDS), every=1, projects=2, pace=0.3)
    assert soaked.outcome.faults == dict.fromkeys(KINDS, 1)
    assert soaked.outcome.audit.cold > 0
    assert soaked.clean, soaked.summary()
    # Beat may die once more, of a PostgreSQL that is not back yet.
    assert set(soaked.restarts) == {*FOLDERS, *WORDS}


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_in_three_minutes_of_kills(tmp_path: Path) -> None:
    soaked = soak(tmp_path / "run", seed=7, seconds=180, every=5, projects=4)
    assert soaked.clean, soaked.summary()
