"""Trends as CSV, and what holds for the CSV of every report."""

import csv
import io
from collections.abc import Iterator

import pytest
from django.test import Client

from analytics.api.reports import all_reports
from analytics.api.table import csv_of
from tests.analytics.comparison import deliver
from tests.analytics.trends.asking import RANGE, sent

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")


def test_csv_has_a_row_a_point(client: Client) -> None:
    deliver([sent("2026-11-01", country="=1+1"), sent("2026-11-02")], blocks=1)
    answer = client.get(f"/stats/trends?{RANGE}&by=properties.country&format=csv&compare=previous")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert len(rows) == 2 * 3 * 2
    assert (rows[0]["value_of"], rows[0]["start"], rows[0]["value"]) == ("'=1+1", "2026-11-01", "1")
    assert [row["kind"] for row in rows] == ["", "", "", "no value", "no value", "no value"] * 2
    answer = client.get(f"/stats/trends?{RANGE}&format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["kind"] for row in rows] == ["", "", ""]


def test_every_report_answers_in_csv_with_the_same_head_if_it_has_no_rows(client: Client) -> None:
    heads = dict(heads_in_csv(client, "by=properties.country", has_rows=False))
    deliver([sent("2026-11-02")], blocks=1)
    assert dict(heads_in_csv(client, "by=properties.country", has_rows=True)) == heads


def heads_in_csv(
    client: Client, of_trends: str, *, has_rows: bool
) -> Iterator[tuple[str, list[str]]]:
    needed = {
        "retention": "start_date=2026-10-26",
        "trends": f"{RANGE}&{of_trends}",
        "funnel": f"{RANGE}&step=event_type:buy&step=event_type:view",
    }
    for report in all_reports():
        query = needed.get(report.path, RANGE)
        answer = client.get(f"/stats/{report.path}?{query}&format=csv")
        assert answer.status_code == 200, report.path
        head, *rows = csv.reader(io.StringIO(answer.content.decode()))
        assert head, report.path
        assert rows or not has_rows, report.path
        yield report.path, head
        assert f'filename="{report.path}.csv"' in answer["Content-Disposition"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\n=x"])
def test_no_text_becomes_a_formula(text: str) -> None:
    [_, [cell]] = csv.reader(io.StringIO(csv_of([{"name": text}]), newline=""))
    assert cell == f"'{text}"


@pytest.mark.parametrize("text", ["a;b", "a\tb", "a,b", 'a"b', "a\nb", "a\rb", ";"])
def test_a_text_stays_whole_whatever_a_spreadsheet_divides_by(text: str) -> None:
    written = csv_of([{"name": text, "value": "a b"}, {"name": "", "value": 1.5}])
    doubled = text.replace('"', '""')
    assert written == f'name,value\r\n"{doubled}",a b\r\n,1.5\r\n'


def test_negative_numbers_stay_numbers() -> None:
    assert (
        csv_of([{"value": -1.5, "other": None, "yes": True}]) == "value,other,yes\r\n-1.5,,true\r\n"
    )
