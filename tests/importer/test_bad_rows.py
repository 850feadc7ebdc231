"""A row that is wrong, or made to do harm, costs itself only: not the file, memory or time."""

import time

import pytest

from importer.mapper import mapper
from importer.mapping import ColumnMap, Time

ROW = {"event_id": "id", "user_id": "u1", "event_type": "x"}


# --- Values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("text", ["1e999990", "-1e999990", "inf", "nan", "1e21", "1" * 1_000_000])
def test_a_number_too_large_for_a_time_is_left_to_the_check(unit: Time, text: str) -> None:
    started = time.process_time()
    assert mapper(ColumnMap(time=unit))({**ROW, "occurred_at": text})[1] == text
    assert time.process_time() - started < 0.5
