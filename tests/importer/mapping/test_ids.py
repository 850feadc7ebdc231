"""Ids made of columns: fixed for ever, of values and not of how a format writes them."""

from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.ids import id_of
from importer.mapping.mapper import mapper
from importer.mapping.presets import PRESETS
from importer.mapping.spelling import spelt
from tests.importer.mapping.mapped import imported, stored

NAMESPACE = UUID("6f0d5e1c-6a57-5b0c-9b7e-2f1c8a4e9d10")
MIXPANEL = {"time": 1767225600, "distinct_id": "u1", "$insert_id": "i1"}
GA4 = {
    "event_timestamp": "1767225600000000",
    "event_name": "Signed up",
    "user_pseudo_id": "u1.2",
    "event_bundle_sequence_id": 1,
    "batch_page_id": None,
    "batch_ordering_id": 3,
    "batch_event_index": 2,
}


@pytest.mark.parametrize(
    ("values", "made"),
    [
        (("u1", "23", "x"), "b4a3a7f8-e0c7-57c0-ab14-ddf9c4503736"),
        (("u12", "3", "x"), "92480c89-40ab-509d-a9b4-c0ce331d41d6"),
        (("u1", "2026-01-01", "x"), "1de66476-d64c-51e3-a6e5-587a1a6a21a3"),
        (("u1", None, "x"), "b6f2dd82-40e3-555c-93bb-56008d7fe662"),
        (("u1", "2026-01-01T10:00:00Z", "click"), "93bac84e-cb7b-5631-8b25-9c2f400a533f"),
        (("José 😀", "17.5", True), "adc4a923-126b-5a15-858c-e0af196a62b6"),
        (("u1", "2026-01-01 12:00:00.50+02", "click"), "aaf9ba75-1845-5cee-92cb-14ec27ce246c"),
        (("u1", 12, "click"), "0dd3ca15-c63d-57e7-99ea-81abd38a45bd"),
    ],
)
def test_the_same_values_give_the_same_id_for_ever(values: tuple[Any, ...], made: str) -> None:
    assert id_of(values) == made


@pytest.mark.parametrize(
    ("preset", "row", "made"),
    [
        (
            "mixpanel",
            {"event": "Signed up", "properties": MIXPANEL},
            "d6ea3a9c-cc44-55ff-b7ba-12b1bf053ddc",
        ),
        (
            "mixpanel",
            {"event": "x", "properties": {"time": 1767225600, "distinct_id": "12"}},
            "6a9d2d95-5873-59b8-be00-e5f98c43698b",
        ),
        ("ga4", GA4, "c1897277-1eee-5804-908f-ac761339872c"),
    ],
)
def test_exports_of_other_tools_give_the_same_ids_for_ever(
    preset: str, row: dict[str, Any], made: str
) -> None:
    assert mapper(PRESETS[preset])(row)[0] == made


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_an_id_is_a_uuid_of_the_standard(values: list[str]) -> None:
    assert id_of(values) == str(uuid5(NAMESPACE, "\x1f".join(map(spelt, values))))


def test_columns_are_kept_apart() -> None:
    rows = [("u1", "23"), ("u12", "3"), ("u123", ""), ("", "u123"), ("u1", "2", "3")]
    for one, other in combinations(rows, 2):
        assert id_of(one) != id_of(other)


@pytest.mark.parametrize(
    "spellings",
    [
        (12, "12", 12.0, "12.0", Decimal("12.00"), "12.00"),
        (0.1, "0.1", Decimal("0.1")),
        (1e-05, "1e-05", "1E-05", Decimal("0.00001")),
        (1e16, "1e+16", 10**16, "10000000000000000.0"),
        (True, "true", "True"),
        (False, "false", "False"),
        ("2026-01-01", "2026-01-01T00:00:00.000", "2026-01-01 00:00:00+00", "2026-01-01T00:00:00Z"),
        (
            "2026-01-01T10:00:00.123456Z",
            "2026-01-01 10:00:00.123456",
            "2026-01-01 10:00:00.123456+00:00",
            "2026-01-01T10:00:00.123456000+0000",
            "2026-01-01 10:00:00.123456 UTC",
            "2026-01-01 12:00:00,123456+02",
        ),
        ("10:00:00", "10:00:00.000000"),
        ("10:00:00.5", "10:00:00.500000000"),
    ],
    ids=lambda spellings: str(spellings[0]),
)
def test_a_value_is_spelt_one_way_whatever_the_file(spellings: tuple[Any, ...]) -> None:
    assert len(set(map(spelt, spellings))) == 1


@pytest.mark.parametrize(
    "values",
    [
        ("1.1", "1.10"),  # versions
        ("12e5", "1200000"),  # the start of a hash
        ("007", "7"),
        ("2026-01-01T10:00:00.123456789Z", "2026-01-01T10:00:00.123456788Z"),
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00+01:00"),
        ("2026-13-01 10:00:00+01:00", "2026-13-01 11:00:00+02:00"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+13:00"),
        ("u1", "U1"),
    ],
)
def test_what_differs_stays_apart(values: tuple[str, str]) -> None:
    assert spelt(values[0]) != spelt(values[1])


OPTIONS = ("--set", "event_type=x", "--map", "occurred_at=at", "--rest", "properties")


AT = "2026-01-01T00:00:00Z"
MAPPED = ("--map", "event_id=id", "--map", "user_id=who", *OPTIONS)


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize("user", ["12", "12.0", "12.00"])
def test_a_user_that_became_a_float_is_the_user_all_the_same(tmp_path: Path, user: str) -> None:
    """As pandas writes a column of numbers with a gap in it."""
    ids = [f"0191f5a0-0000-7000-8000-00000000000{n}" for n in range(4)]
    head = "event_id,occurred_at,user_id,event_type"
    imported(tmp_path / "plain.csv", f"{head}\n{ids[0]},{AT},{user},x\n")
    imported(tmp_path / "mapped.csv", f"id,at,who\n{ids[1]},{AT},{user}\n", *MAPPED)
    plain = f'{{"event_id":"{ids[2]}","occurred_at":"{AT}","user_id":{user},"event_type":"x"}}'
    imported(tmp_path / "plain.ndjson", plain)
    mapped = f'{{"id":"{ids[3]}","at":"{AT}","who":{user}}}'
    imported(tmp_path / "mapped.ndjson", mapped, *MAPPED)
    assert [row[2] for row in stored()] == ["12"] * 4


@pytest.mark.usefixtures("stores")
def test_a_text_of_json_stays_the_text_it_is(tmp_path: Path) -> None:
    line = '{"id":"0191f5a0-0000-7000-8000-000000000001","at":"2026-01-01T00:00:00Z","who":"12.0"}'
    [row] = imported(tmp_path / "a.ndjson", line, *MAPPED)
    assert row[2] == "12.0"
    assert mapper(PRESETS["mixpanel"])({"properties": {**MIXPANEL, "distinct_id": "12.0"}})[2] == (
        "12.0"
    )
