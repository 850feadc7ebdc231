"""Every panel shows the numbers that the API answers to the same question."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from projects.models import DEFAULT
from tests.dashboard.read import answer, links, panel, rows, text, texts
from tests.projects.made_projects import project, put_events
from tests.samples import event, moment
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")


def day(ago: int) -> str:
    return (datetime.now(UTC).date() - timedelta(days=ago)).isoformat()


@pytest.fixture
def history() -> str:
    """Events of three people in two periods; the query of the days of the second."""
    made: list[dict[str, Any]] = []
    for user, ago, kinds in [
        ("ann", 8, ["view", "buy"]),
        ("ann", 2, ["view", "buy", "view"]),
        ("bob", 3, ["view"]),
        ("bob", 1, ["view", "buy"]),
        ("cyd", 1, ["view"]),
    ]:
        for hour, kind in enumerate(kinds, start=1):
            at = f"{day(ago)}T{hour:02}:00:00Z"
            country = "UA" if user == "ann" else "DE"
            properties = {"country": country, "amount": hour}
            made.append(event(user_id=user, occurred_at=at, event_type=kind, properties=properties))
    put_events(DEFAULT, made)
    deliver_all()
    return f"from={day(4)}&to={day(1)}"


def test_the_headline_is_the_trend_of_users_and_of_events(client: Client, history: str) -> None:
    html = panel(client, f"overview/panels/headline?{history}")
    compared = f"/stats/trends?{history}&compare=previous"
    users, events = (answer(client, f"{compared}&measure={it}") for it in ("users", "events"))
    assert texts(html, "<strong", "strong") == ["3", "7"]
    assert [users["series"][0]["total"], events["series"][0]["total"]] == [3, 7]
    assert texts(html, '<em class="up"', "em") == ["+200 %", "+250 %"]
    assert texts(html, "<small", "small") == ["1 in the period before", "2 in the period before"]
    assert users["compare"]["series"][0]["total"], events["compare"]["series"][0]["total"] == (1, 2)
    points = users["series"][0]["points"]
    assert [cells[1] for cells in rows(html)] == [str(point["value"]) for point in points]


def test_top_events_are_those_of_the_api(client: Client, history: str) -> None:
    html = panel(client, f"overview/panels/types?{history}")
    found = answer(client, f"/stats/top-events?{history}")
    assert texts(html, '<span class="name"', "span") == [row["event_type"] for row in found]
    assert texts(html, '<span class="value"', "span") == [str(row["count"]) for row in found]


def test_new_users_are_those_of_the_cohorts_and_all_others_are_returning(
    client: Client, history: str
) -> None:
    html = panel(client, f"overview/panels/newcomers?{history}")
    cohorts = answer(client, f"/stats/cohorts?{history}&unit=day")
    users = answer(client, f"/stats/trends?{history}")["series"][0]["total"]
    new = sum(row["users"] for row in cohorts if row["cohort"])
    assert texts(html, '<span class="value"', "span") == [str(new), str(users - new)]
    assert (new, users) == (2, 3)
    assert "came for the first time ever" in text(html)
    filtered = text(panel(client, f"overview/panels/newcomers?{history}&segment=event_type:buy"))
    assert "first event that matches the filters" in filtered
    assert "first time ever" not in filtered
    assert "66.7 % of the 3 users are new" in text(html)
    link, *_ = links(html)
    behind = panel(client, link.replace("/dashboard/people?", "people/panels/people?"))
    assert [cells[0] for cells in rows(behind)] == ["bob", "cyd"]


def test_new_users_by_segment_are_those_of_the_cohorts(client: Client, history: str) -> None:
    for segment in ("event_type:buy", "properties.country:DE", "did(buy)"):
        query = f"{history}&segment={segment}"
        html = panel(client, f"overview/panels/newcomers?{query}")
        cohorts = answer(client, f"/stats/cohorts?{query}&unit=day")
        new = sum(row["users"] for row in cohorts if row["cohort"])
        assert texts(html, '<span class="value"', "span")[0] == str(new), segment


@pytest.mark.parametrize("more", ["", "&segment=event_type:buy", "&measure=events&unit=hour"])
def test_a_trend_is_that_of_the_api(client: Client, history: str, more: str) -> None:
    query = f"{history}&by=properties.country{more}"
    html = panel(client, f"trends/panels/trend?{query}")
    found = answer(client, f"/stats/trends?{query}")["series"]
    totals, table = rows(html)[: len(found)], rows(html)[len(found) :]
    assert totals == [[line["value"], str(line["total"])] for line in found]
    lines = [[str(point["value"]) for point in line["points"]] for line in found]
    assert [cells[1:] for cells in table] == [list(row) for row in zip(*lines, strict=True)]


def test_each_line_is_beside_its_total_before(client: Client, history: str) -> None:
    query = f"{history}&by=properties.country&compare=previous"
    html = panel(client, f"trends/panels/trend?{query}")
    answered = answer(client, f"/stats/trends?{query}")
    now, before = (
        {it["value"]: it["total"] for it in one["series"]}
        for one in (answered, answered["compare"])
    )
    assert (now, before) == ({"DE": 2, "UA": 1}, {"DE": 0, "UA": 1})
    assert rows(html)[:2] == [["DE", "2", "0", ""], ["UA", "1", "1", "no change"]]
    assert texts(html, '<span class="tone-0"', "span") == ["DE, period before"]


def test_only_the_lines_of_the_chart_have_a_colour_in_the_table(client: Client) -> None:
    query = f"from={day(2)}&to={day(1)}&by=event_type&measure=events&top=20"

    def shown(kinds: range) -> str:
        at = f"{day(1)}T10:00:00Z"
        put_events(DEFAULT, [event(event_type=f"kind {it}", occurred_at=at) for it in kinds])
        deliver_all()
        return panel(client, f"trends/panels/trend?{query}")

    html = shown(range(6))
    assert "The chart shows" not in text(html)
    assert "undrawn" not in html
    html = shown(range(6, 11))
    assert "The chart shows the first 6 of 11 lines only." in text(html)
    assert re.findall(r'<span class="key ([\w-]+)"', html) == [
        *(f"tone-{number}" for number in range(1, 7)),
        *["undrawn"] * 5,
    ]
    assert len(texts(html.split("</figcaption>")[0], '<span class="tone-', "span")) == 6


def test_a_funnel_is_suggested_from_the_most_frequent_event(client: Client, history: str) -> None:
    html = panel(client, f"funnel/panels/funnel?{history}&window=1d&step=")
    [(one, link)] = [*zip(texts(html, "<bdi", "bdi"), links(html), strict=True)]
    assert one == "view \u2192 buy"
    assert texts(
        panel(client, link.removeprefix("/dashboard/").replace("?", "/panels/funnel?")),
        '<span class="value"',
        "span",
    ) == ["3", "2"]
    assert "window=1d" in link
    html = panel(client, f"funnel/panels/funnel?{history}&step=event_type:buy")
    assert texts(html, "<bdi", "bdi") == ["buy \u2192 view"]


def test_a_funnel_is_that_of_the_api(client: Client, history: str) -> None:
    query = f"{history}&step=event_type:view&step=event_type:buy&by=properties.country"
    html = panel(client, f"funnel/panels/funnel?{query}")
    found = answer(client, f"/stats/funnel?{query}")
    assert texts(html, '<span class="value"', "span") == [str(it["users"]) for it in found["steps"]]
    assert "1 stopped here" in text(html)
    assert [cells[0] for cells in rows(html)] == [line["value"] for line in found["values"]]
    assert [cells[1] for cells in rows(html)] == [
        str(line["steps"][0]["users"]) for line in found["values"]
    ]


def test_retention_is_the_cohorts_of_the_api(client: Client, history: str) -> None:
    html = panel(client, f"retention/panels/cohorts?{history}&unit=day")
    *found, average = answer(client, f"/stats/cohorts?{history}&unit=day&periods=14")
    shown = rows(html)
    assert [cells[1] for cells in shown] == [str(row["users"]) for row in found]
    for cells, row in zip(shown, found, strict=True):
        rates = [it["rate"] for it in row["periods"] if it["users"] is not None]
        assert cells[2 : 2 + len(rates)] == [
            f"{rate:.1f}".removesuffix(".0") + " %" for rate in rates
        ]
    assert rows(html, "tfoot")[0][1] == f"{average['periods'][0]['rate']:g} %"


def test_people_and_those_behind_a_number_are_those_of_the_api(
    client: Client, history: str
) -> None:
    html = panel(client, "people/panels/people?prefix=b")
    assert [cells[0] for cells in rows(html)] == ["bob"]
    behind = f"{history}&segment=event_type:buy"
    html = panel(client, f"people/panels/people?behind=trends&{behind}")
    found = answer(client, f"/stats/trends/users?{behind}")
    assert [cells[0] for cells in rows(html)] == [user["user_id"] for user in found["users"]]
    assert texts(html, "<strong", "strong") == [str(found["total"])]


@pytest.mark.parametrize(
    "path",
    [
        "overview/panels/headline?",
        "overview/panels/types?",
        "overview/panels/newcomers?",
        "funnel/panels/funnel?step=event_type:view&step=event_type:buy&by=properties.country&",
        "retention/panels/cohorts?unit=day&",
    ],
)
def test_every_number_leads_to_people(client: Client, history: str, path: str) -> None:
    html = panel(client, f"{path}{history}")
    found = [it for it in links(html) if it.startswith("/dashboard/people?")]
    assert found
    for link in found:
        assert client.get(link).status_code == 200, link
        html = panel(client, link.replace("/dashboard/people?", "people/panels/people?"))
        assert texts(html, "<strong", "strong"), link


@pytest.mark.parametrize(
    "path",
    [
        "trends/panels/trend?by=properties.country",
        "trends/panels/trend?series=event_type:view&series=event_type:buy",
        "trends/panels/trend?series=event_type:view&by=properties.country&compare=previous",
        "trends/panels/trend?segment=event_type:buy",
        "funnel/panels/funnel?step=event_type:view&step=event_type:buy&by=properties.country",
        "funnel/panels/funnel?step=event_type:view&step=event_type:buy&by=event_type&top=1",
        "retention/panels/cohorts?unit=day",
    ],
)
def test_a_number_of_users_leads_to_as_many_people(client: Client, history: str, path: str) -> None:
    html = panel(client, f"{path}&{history}")
    found = re.findall(r'<a href="([^"]*)">(\d+)</a>', html)
    assert found
    for link, number in found:
        path = unescape(link).replace("/dashboard/people?", "people/panels/people?")
        assert texts(panel(client, path), "<strong", "strong") == [number], path


def test_a_person_is_told_as_the_api_tells_them(client: Client, history: str) -> None:
    summary = panel(client, "people/one/panels/person?id=ann")
    found = answer(client, "/users/ann")
    assert texts(summary, "<dd", "dd")[0] == str(found["events"]) == "5"
    counts = texts(summary, '<span class="value"', "span")
    assert counts == [str(it["events"]) for it in found["event_types"]]
    for link, count in zip(links(summary), counts, strict=True):
        html = panel(client, link.replace("/dashboard/trends?", "trends/panels/trend?"))
        assert rows(html)[0] == ["Events", count], link
    timeline = panel(client, "people/one/panels/timeline?id=ann")
    events = answer(client, "/users/ann/events")["events"]
    assert texts(timeline, "<b", "b") == [it["event_type"] for it in events]
    assert texts(timeline, "<time", "time") == [it["occurred_at"][11:19] for it in events]


def test_live_shows_the_last_events_and_who_is_here_in_the_zone_of_the_project(
    client: Client,
) -> None:
    with project("tokyo", time_zone="Asia/Tokyo") as made:
        at = datetime.now(UTC) - timedelta(minutes=2)
        here = {"user_id": "here", "occurred_at": at.isoformat()}
        left = {"user_id": "left", "occurred_at": moment(minutes=7)}
        put_events(made.pk, [event(**here), event(**here), event(**left)])
        html = panel(client, "live/panels/live?project=tokyo")
        found = answer(client, "/events?project=tokyo")["events"]
        page = client.get("/dashboard/?project=tokyo").content.decode()
        assert "Days are those of Asia/Tokyo." in text(page)
    assert texts(html, "<strong", "strong") == ["1"]
    assert "/dashboard/people?project=tokyo" in links(html)
    assert texts(html, '<a href="[^"]*" class="id"', "a") == [it["user_id"] for it in found]
    assert f"{at + timedelta(hours=9):%H:%M:%S}" in texts(html, "<time", "time")[0]


PAGES = ["", "trends", "funnel", "retention", "people", "people/one", "live"]


def test_no_page_shows_anything_of_another_project(client: Client) -> None:
    asked = "id=u&by=event_type&step=event_type:open&step=event_type:open&script=no"
    with project("theirs") as theirs:
        put_events(theirs.pk, [event(user_id="spy", event_type="secret")])
        put_events(DEFAULT, [event(user_id="us", event_type="open", properties={})])
        deliver_all()
        for page in PAGES:
            ours = client.get(f"/dashboard/{page}?{asked}").content.decode()
            assert "spy" not in ours, page
            assert "secret" not in ours, page
            other = client.get(f"/dashboard/{page}?{asked}&project=theirs").content.decode()
            assert ">us<" not in other, page
            assert ">open<" not in other, page
            if page != "people/one":
                assert ">us<" in ours or ">open<" in ours or ">1<" in ours or ">100 %<" in ours
