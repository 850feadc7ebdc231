"""Columns of other names, constants, times and made-up ids."""

from pathlib import Path
from uuid import UUID

import pytest

from tests.importer.importing import import_events, refused
from tests.importer.mapping.mapped import ID, imported, stored

pytestmark = pytest.mark.usefixtures("stores")


def test_columns_are_renamed_set_and_put_into_properties(tmp_path: Path) -> None:
    text = f"uuid;When;who;Country;Plan\n{ID};2025-01-06T12:00:00+02:00;u1;UA;\n"
    options = ["event_id=uuid", "occurred_at=When", "user_id=who", "properties.land=Country"]
    maps = [word for option in options for word in ("--map", option)]
    constants = ["--set", "event_type=visit", "--set", "properties.source=old"]
    [row] = imported(tmp_path / "a.csv", text, *maps, *constants, "--rest", "properties")
    properties = {"land": "UA", "source": "old"}
    assert row == (ID, "2025-01-06 10:00:00.000", "u1", "visit", properties)


def test_ids_are_made_of_columns_and_are_always_the_same(tmp_path: Path) -> None:
    text = "at,who,n\n1767225600,u1,1\n1767225600,u1,2\n1767225601,u1,\n"
    options = [
        *("--map", "occurred_at=at", "--map", "user_id=who", "--set", "event_type=x"),
        *("--id-from", "at,who", "--time", "s", "--rest", "properties"),
    ]
    rows = imported(tmp_path / "a.csv", text, *options)
    assert [row[4] for row in rows] == [{"n": "1"}, {}]
    assert all(UUID(row[0]).version == 5 for row in rows)
    lines = '{"at": 1767225600, "who": "u1", "n": 1}\n'
    assert imported(tmp_path / "a.ndjson", lines, *options) == rows


VISITS = ("--map", "occurred_at=at", "--map", "user_id=who", "--time", "s", "--rest", "properties")


def test_what_is_only_part_of_an_id_is_a_property_too(tmp_path: Path) -> None:
    text = "at,who,page\n1767225600,u1,/a\n1767225600,u1,/b\n"
    options = [*VISITS, "--set", "event_type=x", "--id-from", "at,who,page"]
    pages = {row[4]["page"] for row in imported(tmp_path / "a.csv", text, *options)}
    assert pages == {"/a", "/b"}


def test_what_is_set_may_be_part_of_an_id(tmp_path: Path) -> None:
    text = "at,who\n1767225600,u1\n"
    for name in ("visit", "purchase"):
        options = [*VISITS, "--set", f"event_type={name}", "--id-from", "at,who,event_type"]
        rows = imported(tmp_path / f"{name}.csv", text, *options)
    assert {row[3] for row in rows} == {"visit", "purchase"}


def test_what_is_set_alone_makes_no_id(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("at,who,order\n1767225600,u1,\n1767225601,u2,\n1767225602,u3,7\n")
    options = [*VISITS, "--set", "event_type=x"]
    said = refused(path, *options, "--id-from", "event_type")[1]
    assert "id_from names only values that are set" in said
    printed, complaints = import_events(path, *options, "--id-from", "order,event_type")
    assert "read 3, stored 1, duplicate 0, bad 2" in printed
    assert "line 2: event_id: no value in order" in complaints


def test_a_column_misspelt_in_what_ids_are_made_of_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("at,who,page\n1767225600,u1,/a\n1767225600,u1,/b\n")
    options = [*VISITS, "--set", "event_type=x", "--id-from", "at,who,pgae"]
    assert "there is no column pgae, but id_from names it" in refused(path, *options)[1]
    assert stored() == []


def test_a_misspelt_column_that_replaces_one_of_a_preset_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("event,distinct_id,time\nx,u1,1767225600\nx,u1,1767225601\n")
    options = ["--preset", "mixpanel", "--id-from", "distinct_id,tmie"]
    assert "there is no column tmie, but id_from names it" in refused(path, *options)[1]


def test_bytes_that_are_no_text_in_what_ids_are_made_of_cost_their_own_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"at,who,n\n1767225600,u\xff,1\n1767225600,u2,2\n1767225600,u3,\xff\n")
    options = [*VISITS, "--set", "event_type=x", "--id-from", "at,who"]
    printed, complaints = import_events(path, *options)
    assert "read 3, stored 1, duplicate 0, bad 2" in printed
    assert "line 2: event_id: a value is not UTF-8" in complaints
    assert "line 4: properties: a value is not UTF-8" in complaints


@pytest.mark.parametrize(
    ("time", "value", "kept"),
    [
        ("s", "1767225600", "2026-01-01 00:00:00.000"),
        ("s", "1767225600.5", "2026-01-01 00:00:00.500"),
        # A double would make it a millisecond more.
        ("s", "1767225600.122999999", "2026-01-01 00:00:00.122"),
        ("ms", "1767225600123", "2026-01-01 00:00:00.123"),
        ("us", "1767225600123999", "2026-01-01 00:00:00.123"),
        ("utc", "2026-01-01 00:00:00.123000", "2026-01-01 00:00:00.123"),
        ("utc", "2026-01-01T02:00:00+02:00", "2026-01-01 00:00:00.000"),
        ("s", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00.000"),
        ("s", "2026-01-01 00:00:00 UTC", "2026-01-01 00:00:00.000"),
        ("utc", "2026-01-01 00:00:00.123456 UTC", "2026-01-01 00:00:00.123"),
        ("utc", "2026-01-01t02:00:00 +0200", "2026-01-01 00:00:00.000"),
        ("utc", "2026-01-01", "2026-01-01 00:00:00.000"),
        ("iso", "2026-01-01 00:00:00 UTC", "2026-01-01 00:00:00.000"),
        ("iso", "2026-01-01t00:00:00.123456789z", "2026-01-01 00:00:00.123"),
    ],
)
def test_times_are_read_as_they_are_said_to_be(
    tmp_path: Path, time: str, value: str, kept: str
) -> None:
    text = f"event_id,occurred_at,user_id,event_type\n{ID},{value},u1,x\n"
    [row] = imported(tmp_path / "a.csv", text, "--time", time)
    assert row[1] == kept


def test_a_time_that_is_none_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{ID},{time},u1,x" for time in ("soon", "9e99", "s" * 100)]
    path.write_text("\n".join(["event_id,occurred_at,user_id,event_type", *rows]))
    complaints = import_events(path, "--time", "s")[1].splitlines()
    said = "occurred_at must be a number of seconds since 1970, got"
    assert complaints == [
        f"{path}, line {line}: {said} {time!r}"
        for line, time in ((2, "soon"), (3, "9e99"), (4, "s" * 80))
    ]
    assert stored() == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--map", "user=who"], "'user' is not a field of an event"),
        (["--map", "user_id"], "'user_id' must have the form target=value"),
        (["--map", "user_id=who", "--set", "user_id=u1"], "user_id is both mapped and set"),
        (["--set", "properties={}"], "properties cannot be set as a whole"),
        (["--encoding", "latin-99"], "encoding 'latin-99' is not known"),
        (["--delimiter", ",,"], "delimiter must be one character"),
        (["--max-errors", "-1"], "max_errors must be a number of rows, or a percentage"),
        (["--max-errors", "101%"], "max_errors must be a number of rows, or a percentage"),
        (
            ["--map", "user_id=who"],
            "there is no column who for user_id; the columns are 'at', 'x'",
        ),
        (
            [
                "--id-from",
                "a,b",
                *["--map", "occurred_at=at", "--set", "user_id=u", "--set", "event_type=x"],
            ],
            "there is no column a, but id_from names it",
        ),
        (
            [
                "--map",
                "occurred_at=at",
                "--id-from",
                "at",
                "--set",
                "user_id=u",
                "--set",
                "event_type=y",
            ],
            "unknown column 'x'",
        ),
    ],
)
def test_a_mapping_that_means_nothing_is_refused_by_name(
    tmp_path: Path, options: list[str], said: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("at,x\n1,2\n")
    options = ["--map", "event_id=x", *options] if "who for" in said else options
    options = ["--map", "occurred_at=at", *options] if "who for" in said else options
    assert said in refused(path, *options)[1]
