"""Panels at their edges: names of any kind, the fewest and the most events, and too much to ask."""

from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from analytics.clickhouse import ClickHouseUnavailable
from dashboard.refusals import known, known_to_strangers
from dashboard.state import NO_SCRIPT
from dashboard.urls import PAGES
from dashboard.wording import may_pass
from projects.models import DEFAULT
from tests.dashboard.read import links, panel, rows, text, texts
from tests.projects.made_projects import put_events
from tests.samples import event
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")
NAMES = [
    *["n" * 200, "שלום עולם", "🎉👩‍👩‍👧‍👦", "<script>alert('1')</script>", '"><svg onload=x>'],
    *["=1+1", "{{ 7 }}", "javascript:alert(1)", "a&b=c#d?e", "%3Cb%3E", "\\,:="],
]
ALL_TIME = "from=2016-11-01&to=2026-10-31"


def sent(*events: dict[str, Any]) -> None:
    put_events(DEFAULT, [event(**one) for one in events])
    deliver_all()


def test_names_of_any_kind_are_shown_as_they_are_and_never_as_html(client: Client) -> None:
    sent(*({"user_id": it, "event_type": it, "properties": {"p": it}} for it in NAMES))
    lines = [f"trends/panels/trend?top=50&by={it}" for it in ("event_type", "properties.p")]
    shown = [panel(client, path) for path in (*lines, "live/panels/live", "people/panels/people")]
    types = panel(client, "overview/panels/types")
    for name in NAMES:
        own = urlencode({"id": name})
        timeline = panel(client, f"people/one/panels/timeline?{own}")
        filtered = panel(client, f"?{urlencode({'segment': f'user_id:{name}'})}")
        for html in (*shown, timeline, filtered, panel(client, f"people/one?{own}")):
            assert escape(name) in html, name
            assert "<script>alert" not in html + types
            assert "<svg onload" not in html + types


def test_one_event_of_today_makes_a_chart_of_hours(client: Client) -> None:
    sent({"occurred_at": datetime.now(UTC).isoformat()})
    html = panel(client, "overview/panels/headline?range=today")
    assert texts(html, "<strong", "strong") == ["1", "1"]
    shown = [cells[1] for cells in rows(html)]
    hour = datetime.now(UTC).hour
    assert shown == ["0"] * hour + ["1"] + ["\u2013"] * (23 - hour)
    assert texts(panel(client, "overview/panels/newcomers?range=today"), "<em", "em") == []


def test_ten_years_have_as_many_months_with_their_years(client: Client) -> None:
    sent({"occurred_at": "2016-11-05T10:00:00Z"}, {"occurred_at": "2026-10-30T10:00:00Z"})
    html = panel(client, f"overview/panels/headline?{ALL_TIME}")
    assert len(rows(html)) == 120
    assert texts(html, '<text class="across"', "text")[0] == "Nov 2016"
    assert texts(html, "<strong", "strong") == ["1", "2"]
    assert rows(panel(client, f"retention/panels/cohorts?{ALL_TIME}"))[0][:2] == ["Nov 2016", "1"]
    new = panel(client, f"overview/panels/newcomers?{ALL_TIME}")
    assert texts(new, '<span class="value"', "span") == ["1", "0"]


def test_a_chart_of_two_years_has_years_below_it_and_one_of_a_year_has_none(
    client: Client,
) -> None:
    sent({"occurred_at": "2026-01-20T10:00:00Z"})
    for days, first in [
        ("from=2025-12-01&to=2026-11-30", "1 Dec 2025"),
        ("from=2025-12-31&to=2026-01-31", "31 Dec 2025"),
        ("from=2026-01-01&to=2026-01-31", "1 Jan"),
    ]:
        for path in ("overview/panels/headline", "trends/panels/trend"):
            html = panel(client, f"{path}?{days}")
            assert texts(html, '<text class="across"', "text")[0] == first, path
    html = panel(client, "retention/panels/cohorts?from=2025-12-01&to=2026-01-31&unit=week")
    assert rows(html)[0][0] == "19 Jan 2026"


def test_days_that_still_run_are_said_to_be_compared_with_whole_ones(client: Client) -> None:
    sent({"occurred_at": datetime.now(UTC).isoformat()})
    for days, said in [
        ("range=today", "This day is not over yet; the day before is."),
        ("range=7d", "These days are not over yet; the period before is."),
        ("from=2026-01-05&to=2026-01-11", ""),
    ]:
        for path in ("overview/panels/headline?", "trends/panels/trend?compare=previous&"):
            html = panel(client, f"{path}{days}")
            assert (said in text(html)) if said else ("not over yet" not in text(html)), path
    assert "not over yet" not in text(panel(client, "trends/panels/trend?range=7d"))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("unit=day&at=2026-11-20", {"By": "day", "On": "Fri 20 Nov 2026"}),
        ("unit=week&at=2026-11-16", {"By": "week", "Beginning": "Mon 16 Nov 2026"}),
        (
            "unit=hour&at=2026-11-20T07:00:00Z",
            {"By": "hour", "Beginning": "Fri 20 Nov 2026, 07:00"},
        ),
        ("unit=day&at=x", {"By": "day", "On": "x"}),
    ],
)
def test_a_list_of_people_says_behind_which_number_they_are(
    client: Client, asked: str, told: dict[str, str]
) -> None:
    html = panel(client, f"people?behind=trends&from=2026-11-01&to=2026-11-30&{asked}")
    found = dict(zip(texts(html, "<dt", "dt"), texts(html, "<dd", "dd"), strict=True))
    assert found == {"Report": "Trends", "Days": "1 Nov \u2013 30 Nov 2026", **told}


def test_where_nobody_has_come_people_and_live_lead_to_the_first_event(client: Client) -> None:
    for path, said in [
        ("people/panels/people", "Nobody has come yet."),
        ("live/panels/live", "No events in recent days."),
    ]:
        html = panel(client, f"{path}?project=default")
        assert said in text(html)
        assert "/dashboard/?project=default" in links(html)
    assert "No people found." in text(panel(client, "people/panels/people?prefix=x"))


def test_where_nobody_is_no_share_of_nobody_is_told(client: Client) -> None:
    sent({"event_type": "buy"})
    html = panel(client, "overview/panels/newcomers?segment=event_type:none")
    assert texts(html, '<span class="value"', "span") == ["0", "0"]
    assert "users are new" not in text(html)
    for path in ("overview/panels/types?", "trends/panels/trend?by=event_type&"):
        html = panel(client, f"{path}segment=event_type:none")
        assert "No event of these days matches the filters." in text(html)
    html = panel(client, "funnel/panels/funnel?step=event_type:none&step=event_type:buy")
    assert texts(html, '<span class="value"', "span") == ["0", "0"]
    assert "stopped here" not in text(html)


def test_of_a_thousand_types_the_first_are_shown_and_all_are_counted(client: Client) -> None:
    often = [{"event_type": f"type-{n % 3}"} for n in range(60)]
    sent(*({"event_type": f"type-{n}"} for n in range(1_000)), *often)
    found = texts(panel(client, "overview/panels/types"), '<span class="name"', "span")
    assert (found[:4], len(found)) == (["type-0", "type-1", "type-2", "type-10"], 8)
    html = panel(client, "overview/panels/types?range=7d")
    assert "These are the 8 most frequent ones." in text(html)
    assert "/dashboard/trends?range=7d&measure=events&by=event_type" in links(html)
    html = panel(client, "trends/panels/trend?measure=events&by=event_type")
    totals = [int(cells[1]) for cells in rows(html) if cells[0].startswith(("type-", "All"))]
    assert sum(totals) == 1_060


@pytest.mark.parametrize(
    ("amount", "shown"), [(10**15, "1,000,000,000,000,000"), (1e-9, "1e-9"), (-1e308, "-1e308")]
)
def test_the_largest_and_the_smallest_numbers_can_be_read(
    client: Client, amount: float, shown: str
) -> None:
    sent({"properties": {"amount": amount}})
    html = panel(client, "trends/panels/trend?measure=max(properties.amount)")
    assert rows(html)[0] == ["max(properties.amount)", shown]
    assert "nan" not in html
    assert "inf" not in html


@pytest.mark.parametrize(("code", "lasts"), [(158, True), (396, True), (159, False), (None, False)])
def test_only_what_may_pass_by_itself_is_to_be_tried_again(code: int | None, lasts: bool) -> None:
    error = ClickHouseUnavailable("over a limit", code=code)
    for refusal in (known(error), known_to_strangers(error)):
        assert may_pass(refusal) != lasts


def test_a_report_of_too_many_rows_says_what_to_change(client: Client, settings: Any) -> None:
    sent({}, {})
    settings.CLICKHOUSE_QUERY_ROWS = 1
    html = panel(client, "overview/panels/types?segment=properties.country:UA", status=503)
    assert "CLICKHOUSE_QUERY_ROWS" in text(html)
    assert "Try again" not in text(html)


def test_no_page_without_script_loads_itself_again(client: Client) -> None:
    for page in PAGES:
        html = panel(client, f"{page.path}?script={NO_SCRIPT}")
        assert "http-equiv" not in html, page.name
        assert "aria-busy" not in html, page.name
