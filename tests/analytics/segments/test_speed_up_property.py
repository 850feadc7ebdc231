"""The command that gives a property a column, and what it says of those that are asked for."""

from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from analytics import clickhouse
from analytics.maintenance import property_columns
from analytics.segments import columns, uses
from analytics.segments.asked import segments_of
from analytics.segments.columns import MAX_PATH_BYTES
from projects.models import DEFAULT

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No wait for reports, and counts are written by the test alone."""
    monkeypatch.setattr(property_columns, "_wait_for_reports", lambda: None)
    monkeypatch.setattr(uses._background, "soon", lambda: None)
    uses._asked.clear()
    columns._in_use.cache_clear()
    yield
    columns._in_use.cache_clear()


def said(*arguments: str) -> str:
    output = StringIO()
    call_command("speed_up_property", *arguments, stdout=output)
    return output.getvalue()


def test_a_property_gets_a_column_once_and_loses_it() -> None:
    assert "properties.plan has a column after" in said("properties.plan")
    try:
        assert said("properties.plan") == "properties.plan has a column already\n"
        assert said() == "properties.plan\tseldom asked\tcolumn\n"
    finally:
        undone = said("properties.plan", "--undo")
    assert "waiting 45 s until no report reads it" in undone
    assert "properties.plan has no column any more" in undone
    assert "properties.plan has no column anyway" in said("properties.plan", "--undo")
    assert said() == ""


def test_properties_are_listed_by_how_often_they_were_asked_for(client: Client) -> None:
    days = "from=2025-01-01&to=2025-01-02"
    for segment in ("properties.plan:3", "not(properties.plan):3", "set(properties.page.section)"):
        assert client.get(f"/stats/dau?{days}&segment={segment}").status_code == 200
    for segment in ("contains(properties.url):a", "event_type:a", f"properties.{'a' * 201}:3"):
        client.get(f"/stats/dau?{days}&segment={segment}")
    assert uses._write()
    client.get(f"/stats/dau?{days}&or.1=properties.plan:3&or.1=properties.plan:4")
    assert uses._write()
    assert said().splitlines() == [
        "properties.plan\tasked 3 times\tno column",
        "properties.page.section\tasked 1 times\tno column",
    ]


def test_of_very_many_properties_those_not_asked_for_longest_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uses, "MAX_PATHS", 2)
    for path in ("a", "b", "a", "c"):
        segments_of([f"properties.{path}:1"], {}, project=DEFAULT)
        assert uses._write()
    assert uses.most_asked(project=DEFAULT, limit=9) == [("a", 2), ("c", 1)]


def test_a_column_that_was_not_finished_is_told_and_finished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = clickhouse.command

    def broken(sql: str, **given: object) -> None:
        if "MATERIALIZE COLUMN" in sql:
            raise clickhouse.ClickHouseUnavailable("killed")
        real(sql, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(clickhouse, "command", broken)
    with pytest.raises(CommandError, match="ClickHouse failed: killed"):
        said("properties.plan")
    monkeypatch.setattr(clickhouse, "command", real)
    try:
        assert said() == "properties.plan\tseldom asked\tcolumn not finished\n"
        assert columns.in_use(project=DEFAULT) == frozenset()
        assert "has a column after" in said("properties.plan")
    finally:
        said("properties.plan", "--undo")


def test_a_report_does_not_read_a_column_that_is_being_taken_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[bool] = []

    def wait() -> None:
        waited.append(True)
        columns._in_use.cache_clear()
        [read] = segments_of(["properties.plan:3"], {}, project=DEFAULT).conditions()
        assert not read.field.column  # type: ignore[union-attr]

    said("properties.plan")
    monkeypatch.setattr(property_columns, "_wait_for_reports", wait)
    said("properties.plan", "--undo")
    assert waited


def test_a_project_has_so_many_columns_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(property_columns, "MAX_COLUMNS", 1)
    said("properties.plan")
    try:
        with pytest.raises(CommandError, match="1 properties have a column already"):
            said("properties.country")
    finally:
        said("properties.plan", "--undo")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["event_type"], "event_type is no property; write it like properties.country"),
        (["country"], "country: "),
        ([f"properties.{'a' * (MAX_PATH_BYTES + 1)}"], "is longer than 200 bytes"),
        (["--undo"], "--undo needs a property"),
        (["properties.a", "--project", "none"], "there is no project 'none'"),
    ],
)
def test_what_has_no_column_is_refused(arguments: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        said(*arguments)
