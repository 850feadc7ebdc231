"""The first visit: an empty project shows how to send an event, and that it has come."""

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from projects.models import DEFAULT
from tests.dashboard.read import links, panel, text, texts
from tests.projects.made_people import browser, member
from tests.projects.made_projects import project, put_events
from tests.samples import event, moment
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")
HEADLINE, FIRST = "overview/panels/headline", "overview/panels/first"


def test_what_it_shows_for_curl_is_an_event_that_the_service_takes(client: Client) -> None:
    with project("shop"):
        html = panel(client, f"{HEADLINE}?project=shop")
        [curl, *_] = [unescape(it) for it in re.findall(r"<code>(.*?)</code>", html, re.DOTALL)]
        assert "curl 'http://testserver/events?project=shop'" in curl
        assert "YOUR_KEY" not in html
        body = re.search(r"-d '(.*)'", curl, re.DOTALL)
        assert body
        answer = client.post(
            "/events?project=shop&wait=true", body[1], content_type="application/json"
        )
        assert answer.json()["accepted"] == 1
        came = panel(client, f"{FIRST}?project=shop")
        assert "The first event has come: page_view by u1" in text(came)
        assert "hx-trigger" not in came
        deliver_all()
        assert "first event" not in panel(client, f"{HEADLINE}?project=shop")


def test_it_asks_again_while_nothing_has_come(client: Client) -> None:
    html = panel(client, HEADLINE)
    assert "Waiting for the first event" in text(html)
    assert "Waiting for the first event" in text(panel(client, FIRST))
    assert 'data-hx-trigger="every 2s"' in panel(client, FIRST)
    assert texts(html, "<h3", "h3") == ["curl", "Python", "A web page", "A file"]


def test_where_keys_are_required_it_says_where_to_make_one(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    with project("shop") as made:
        html = panel(browser(member("viewer", made)), f"{HEADLINE}?project=shop")
    assert html.count("Bearer YOUR_KEY") == 3
    assert "/dashboard/settings?project=shop" in links(html)


def test_a_project_with_events_on_other_days_shows_numbers(client: Client) -> None:
    put_events(DEFAULT, [event(occurred_at=moment(days=3))])
    deliver_all()
    assert "Waiting" not in panel(client, f"{HEADLINE}?range=today")
    day = datetime.now(UTC).date() - timedelta(days=400)
    empty = panel(client, f"{HEADLINE}?from={day}&to={day}")
    assert texts(empty, "<strong", "strong") == ["0", "0"]


NAMES = [
    "<script>alert(1)</script>",
    "\"><svg onload='x'>",
    "javascript:alert(1)",
    "=1+1",
    "a/b?c=d&e#f%20+ g",
    "{{ 7|add:7 }} {% now %}",
    "שלום עולם",
    "👩‍👩‍👧",
    "long " * 40,
]


def test_any_name_is_shown_as_text_and_leads_to_who_has_it(client: Client) -> None:
    made = [
        event(user_id=name[:200], event_type=name[:200], properties={name[:50]: name})
        for name in NAMES
    ]
    put_events(DEFAULT, made)
    deliver_all()
    query = "by=event_type&script=no&limit=20"
    for page in ("", "trends", "people", "live"):
        html = client.get(f"/dashboard/{page}?{query}").content.decode()
        assert "<script>alert" not in html
        assert "<svg onload" not in html
    html = panel(client, "people/panels/people")
    found = re.findall(r'href="(/dashboard/people/one[^"]*)"', html)
    assert len(found) == len(NAMES)
    told = ""
    for link in found:
        answer = client.get(f"{unescape(link)}&script=no")
        assert answer.status_code == 200
        assert "No events" not in answer.content.decode()
        told += unescape(answer.content.decode())
    for name in NAMES:
        assert name[:200].strip() in told, name
    behind = json.dumps(panel(client, "overview/panels/types?range=7d"))
    assert behind.count("/dashboard/people?behind=top-events") == 8
