"""What a page says when it can't show what it was asked for, and where it leads."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.test import Client

from projects.models import DEFAULT, Project
from tests.dashboard.read import links, panel, text, texts
from tests.projects.made_people import browser, member
from tests.projects.made_projects import project, put_events
from tests.projects.test_keyring import postgresql_down
from tests.samples import event
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")
STEPS = "step=event_type:a&step=event_type:b"
TWO = "segment=event_type:a&segment=&segment=nonsense"
NOWHERE = "http://default@127.0.0.1:1/default"


@pytest.fixture
def keys_required(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True


@pytest.fixture
def app() -> Iterator[Project]:
    with project("app") as made:
        yield made


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("range=ever", "The address of this page is wrong: range must be one of today"),
        ("from=2026-01-02&to=2026-01-01", "From: the first day is after the last one."),
        ("from=2026-02-30&to=2026-03-01", "From is not a date such as 2026-01-31."),
        ("to=2026-03-01", "From is missing."),
        ("from=1969-12-31", "From must be from 1970-01-01"),
        ("from=1970-01-01&to=2099-12-31", "To: a report has at most 36600 days."),
        ("tz=Mars", "wrong: tz is no time zone"),
        ("tz=", "wrong: tz is no time zone"),
    ],
)
def test_wrong_days_are_told_in_words_and_lead_back(client: Client, query: str, said: str) -> None:
    answer = client.get(f"/dashboard/?{query}")
    assert answer.status_code == 400
    assert said in text(answer.content.decode())
    assert "/dashboard/" in links(answer.content.decode())
    assert said in text(panel(client, f"overview/panels/types?{query}", status=400))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("trends/panels/trend?measure=wishes", "Measure must be events, users,"),
        ("trends/panels/trend?unit=minute", "By must be hour, day, week or month."),
        ("trends/panels/trend?by=contry", "A line for each: the field must be event_type,"),
        (
            "trends/panels/trend?by=user_id&by=event_type",
            "A line for each is given more than once.",
        ),
        (f"trends/panels/trend?{TWO}", "Only events \u201cnonsense\u201d: write a field, a colon"),
        ("overview/panels/types?or.1=nonsense", "Only events \u201cnonsense\u201d: write a field,"),
        (
            "funnel/panels/funnel?step=a&step=event_type:b",
            "Step 1 \u201ca\u201d: write a field, a colon",
        ),
        (f"funnel/panels/funnel?{STEPS}&window=8y", "Within must be a number and s,"),
        (f"funnel/panels/funnel?{STEPS}&by=contry", "A funnel for each: the field must be"),
        ("retention/panels/cohorts?unit=hour", "By must be day, week or month."),
        ("retention/panels/cohorts?return=x", "and came again with \u201cx\u201d: write a field"),
        ("people/panels/people?cursor=x", "wrong: cursor is not a valid cursor"),
        ("people/panels/people?prefix=%00", "Whose id begins with contains NUL"),
        ("people/panels/people?behind=weather", "wrong: behind is no report"),
        ("people/panels/people?behind=cohorts&from=2026-01-01&to=2026-01-02", "at is missing"),
        ("people/one/panels/timeline?id=u1&cursor=x", "cursor"),
    ],
)
def test_what_is_wrong_is_named_as_on_the_page_and_is_not_to_be_tried_again(
    client: Client, path: str, said: str
) -> None:
    html = panel(client, path, status=400)
    assert said in text(html)
    assert "parameter" not in text(html)
    assert "Try again" not in text(html)
    assert html.startswith("<section")


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("trends/panels/trend?segment=nonsense", "Remove the filter at the top of the page."),
        ("trends/panels/trend?by=contry", "Change it at the top of the page."),
        ("people/panels/people?cursor=x", ""),
        ("people/panels/people?prefix=%00", "Change it at the top of the page."),
    ],
)
def test_a_panel_says_where_to_mend_what_was_typed(client: Client, path: str, advice: str) -> None:
    found = texts(panel(client, path, status=400), '<p class="note"', "p")
    assert found == ([advice] if advice else [])


@pytest.mark.parametrize("user", ["", "%00", "a" * 201])
def test_an_id_that_no_user_has_is_nobodys(client: Client, user: str) -> None:
    for name in ("person", "timeline"):
        html = panel(client, f"people/one/panels/{name}?id={user}", status=404)
        assert "There is no such user." in text(html)
        assert "Try again" not in text(html)


def test_what_the_overview_does_not_know_changes_nothing(client: Client) -> None:
    put_events(DEFAULT, [event(event_type="open")])
    deliver_all()
    for query in [
        "utm_source=mail&fbclid=1",
        "by=event_type&series=event_type:a&limit=x&unit=x&measure=x&format=csv",
        "segment=&segment=event_type:open&segment=",
        "range=7d&range=30d",
        "from=1970-01-01&to=1970-01-05",
        "from=2016-11-01",
    ]:
        for name in ("headline", "types", "newcomers"):
            panel(client, f"overview/panels/{name}?{query}")
        assert client.get(f"/dashboard/?{query}&script=no").status_code == 200, query


def test_each_filter_is_told_and_can_be_removed_alone(client: Client) -> None:
    asked = "segment=event_type:a&segment=user_id:b&segment=&or.1=event_type:c&range=7d"
    html = client.get(f"/dashboard/?{asked}").content.decode()
    shown = html[html.index('class="chips"') :]
    assert texts(shown, "<code", "code") == ["event_type:a", "user_id:b", "event_type:c"]
    chips = [parse_qs(it[1:]) for it in links(shown)[:3]]
    assert [it.get("segment") for it in chips] == [
        *(["user_id:b"], ["event_type:a"], ["event_type:a", "user_id:b"])
    ]
    assert [it.get("or.1") for it in chips] == [["event_type:c"], ["event_type:c"], None]
    assert {it["range"][0] for it in chips} == {"7d"}


def test_without_clickhouse_the_page_stands_and_its_panels_can_be_asked_for_again(
    client: Client, settings: Any
) -> None:
    settings.CLICKHOUSE_URL = NOWHERE
    assert client.get("/dashboard/").status_code == 200
    html = panel(client, "overview/panels/headline?range=7d", status=503)
    assert "ClickHouse can't answer now" in text(html)
    assert 'data-hx-get="/dashboard/overview/panels/headline?range=7d"' in html
    assert "Try again" in text(html)
    whole = client.get("/dashboard/?script=no").content.decode()
    assert whole.count("ClickHouse can't answer now".replace("'", "&#x27;")) == 3


def test_without_postgresql_the_numbers_of_clickhouse_are_there(client: Client) -> None:
    put_events(DEFAULT, [event()])
    deliver_all()
    panel(client, "overview/panels/types")
    with postgresql_down():
        assert client.get("/dashboard/").status_code == 200
        panel(client, "overview/panels/types")
        for path in ("live/panels/live", "people/one/panels/timeline?id=u1"):
            assert "PostgreSQL can't be reached" in text(panel(client, path, status=503))


@pytest.mark.usefixtures("keys_required")
def test_without_postgresql_a_member_is_told_to_come_again(app: Project) -> None:
    them = browser(member("viewer", app))
    with postgresql_down():
        answer = them.get("/dashboard/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "It can't be checked now who may do this" in text(answer.content.decode())
    assert "Try again" in text(answer.content.decode())


def test_there_is_no_such_project_and_no_such_page(client: Client) -> None:
    for path, said in [
        ("/dashboard/?project=no", "There is no such project."),
        ("/dashboard/no", "no such page"),
    ]:
        answer = client.get(path)
        assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert said in text(answer.content.decode())


@pytest.mark.usefixtures("keys_required")
def test_a_session_that_ended_leads_the_page_of_a_panel_to_the_login(client: Client) -> None:
    asks = {"HX-Request": "true", "HX-Current-URL": "http://testserver/dashboard/trends?range=7d"}
    answer = client.get("/dashboard/trends/panels/trend?range=7d", headers=asks)
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer["HX-Redirect"] == "/login?next=/dashboard/trends%3Frange%3D7d"
    page = client.get("/dashboard/trends?range=7d")
    assert (page.status_code, page["Location"]) == (302, answer["HX-Redirect"])


@pytest.mark.usefixtures("keys_required")
@pytest.mark.parametrize("url", ["https://evil.example/a", "//evil.example/", "http://[", ""])
def test_whatever_the_panel_says_it_leads_back_to_a_page_of_ours(client: Client, url: str) -> None:
    asks = {"HX-Request": "true", "HX-Current-URL": url}
    answer = client.get("/dashboard/trends/panels/trend", headers=asks)
    assert answer["HX-Redirect"] == "/login?next=/dashboard/"


@pytest.mark.usefixtures("keys_required")
def test_who_is_in_several_projects_is_led_to_the_first_and_may_choose(app: Project) -> None:
    with project("other") as other, project("third"):
        them = browser(member("viewer", app, other))
        led = them.get("/dashboard/live?range=7d")
        assert led["Location"] == "/dashboard/live?range=7d&project=app"
        html = them.get(led["Location"]).content.decode()
        assert "/dashboard/live?range=7d&project=other" in links(html)
        assert "Third" not in html
        assert them.get("/dashboard/?project=third").status_code == 404


@pytest.mark.usefixtures("keys_required")
def test_who_is_in_no_project_is_told_so() -> None:
    answer = browser(member("viewer")).get("/dashboard/")
    assert answer.status_code == 404
    assert "You are a member of no project." in text(answer.content.decode())
