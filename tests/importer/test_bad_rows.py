"""A row that is wrong, or made to do harm, costs itself only: not the file, memory or time."""

import json
import time

import pytest

from importer.mapper import mapper
from importer.mapping import ColumnMap, Time
from importer.options import OptionError, Options
from importer.presets import PRESETS

ROW = {"event_id": "id", "user_id": "u1", "event_type": "x"}


# --- Values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("text", ["1e999990", "-1e999990", "inf", "nan", "1e21", "1" * 1_000_000])
def test_a_number_too_large_for_a_time_is_left_to_the_check(unit: Time, text: str) -> None:
    started = time.process_time()
    assert mapper(ColumnMap(time=unit))({**ROW, "occurred_at": text})[1] == text
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "name", ["zlib", "base64", "rot13", "a\0b", "\ud800", "idna", "unicode_escape"]
)
def test_what_is_no_encoding_of_text_is_no_option(name: str) -> None:
    with pytest.raises(OptionError, match="is not known"):
        Options(encoding=name)


def test_the_event_s_own_properties_win_over_columns_of_the_same_name() -> None:
    row = {**ROW, "event_time": "2026-01-01 00:00:00", "platform": "iOS", "os": "17", "lib": ""}
    row |= {"event_properties": {"platform": "mine", "lib": None}}  # type: ignore[dict-item]
    properties = mapper(PRESETS["amplitude"])(row)[4]
    assert json.loads(properties) == {"event_id": "id", "platform": "mine", "os": "17", "lib": None}
