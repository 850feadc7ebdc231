"""The pages in a real browser: nothing that they need is refused by their own policy."""

import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from django.contrib.auth import get_user_model

from embedded import ports
from events.models import Batch, RejectedEvent
from events.storing import hot
from projects.models import Project
from tests import browser, factories, web_server
from tests.browser import Browser
from tests.factories import BatchFactory
from tests.projects.made_keys import made
from tests.projects.made_people import member
from tests.samples import event
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.production,
    pytest.mark.skipif(not browser.CHROMIUM or not browser.DRIVER, reason=browser.MISSING),
    pytest.mark.usefixtures("stores"),
]
PASSWORD = "a password of the tests"
LONG = "a-name-without-any-place-to-break-" * 6


class Page(BaseHTTPRequestHandler):
    """Somebody else's site."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>A shop</title>")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Setting(NamedTuple):
    chromium: Browser
    address: str
    shop: int
    """The port of somebody else's site, which is allowed by one of its two names."""


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    with ThreadingHTTPServer((ports.HOST, 0), Page) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        shop = site.server_port
        with (
            web_server.running(CORS_ORIGINS=f"http://localhost:{shop}") as web,
            browser.running(tmp_path_factory.mktemp("chromium")) as chromium,
        ):
            yield Setting(chromium, f"http://{ports.HOST}:{web.port}", shop)
        site.shutdown()


def test_the_documentation_renders_and_its_requests_are_answered(setting: Setting) -> None:
    chromium = setting.chromium
    chromium.open(f"{setting.address}/docs")
    chromium.wait_for(".opblock")
    assert len(chromium.texts(".opblock")) == 33
    operation = "#operations-events-get_events"
    chromium.click(f"{operation} .opblock-summary-control")
    chromium.click(f"{operation} .try-out__btn")
    chromium.click(f"{operation} .execute")
    said = chromium.wait_for(f"{operation} .live-responses-table tbody .response-col_status")
    assert said.startswith("200")
    assert chromium.complaints() == []


def test_the_browser_refuses_nothing_to_any_page_of_the_admin(setting: Setting) -> None:
    """In one test, as a test before it would leave the server with ids of emptied tables."""
    chromium, admin = setting.chromium, f"{setting.address}/admin/"
    log_in(chromium, admin)
    lists = links(chromium, r"/admin/\w+/\w+/$")
    assert len(lists) > 10
    make_rows_with_long_names()
    chromium.emulate(width=1280)
    pages = [*lists, *links(chromium, r"/admin/\w+/\w+/add/$")]
    for page in (*pages, f"{admin}django_celery_beat/periodictask/1/change/"):
        chromium.open(page)
        wait_until(lambda: chromium.texts("#content"))
        assert chromium.complaints() == [], page
        assert chromium.run(CUT_OFF) == [], page
    make_key(chromium, admin)
    make_key_in_the_settings(chromium, f"{setting.address}/dashboard/settings")
    discard_batches(chromium, admin)
    assert chromium.complaints() == []


# Columns of a list that are to be reached only by scrolling.
CUT_OFF = """
const edge = (it) => it.closest(".results").getBoundingClientRect().right;
return [...document.querySelectorAll("#result_list th")]
  .filter(it => it.getBoundingClientRect().right > edge(it) + 1).map(it => it.textContent.trim());
"""


def make_rows_with_long_names() -> None:
    project, now = Project.objects.get(), datetime.now(UTC)
    Project.objects.update(name=LONG[:100], rate_limit_per_minute=10**6, events_per_month=10**9)
    hot.ensure_partitions(now=now)
    factories.HotEventFactory.create(user_id=LONG[:200], event_type=LONG[:200])
    BatchFactory.create(received=10_000, stored=9_999)
    factories.PropertySchemaFactory.create(event_type=LONG[:200], schema={"type": 1})
    factories.SavedSegmentFactory.create(name=LONG[:100], text=f"segment=event_type:{LONG[:150]}")
    factories.ImportFactory.create(path=f"/data/{LONG}", error=LONG, started_at=now, read=10**9)
    RejectedEvent.objects.create(
        position=0,
        raw="{}",
        raw_bytes=2,
        client="2001:db8:85a3:1234:5678:8a2e:370:7334",
        code="property_schema",
        field=LONG[:100],
        message=LONG,
    )
    member("editor", project, username=LONG[:150])
    made(name=LONG[:100], expires_at=now, last_used_at=now, rate_limit_per_minute=10**6)


def make_key(chromium: Browser, admin: str) -> None:
    chromium.open(f"{admin}projects/apikey/add/")
    chromium.fill(name="a browser's")
    chromium.click("[name=scopes]")
    chromium.click("[name=_save]")
    assert chromium.wait_for("#secret").startswith("ea_")


def make_key_in_the_settings(chromium: Browser, settings: str) -> None:
    """On a phone, with a button that was pressed twice."""
    chromium.emulate(width=360)
    chromium.open(settings)
    assert chromium.run("return document.documentElement.scrollWidth") <= 360
    chromium.fill(name="a phone's")
    chromium.run("for (const _ of [1, 2]) document.querySelector('#keys .new').requestSubmit();")
    secret = chromium.wait_for("#secret")
    assert secret.startswith("ea_")
    chromium.click("[data-copy]")
    assert chromium.run("return getSelection().toString()") == secret
    assert chromium.run("return document.documentElement.scrollWidth") <= 360
    chromium.emulate(width=1280)


def discard_batches(chromium: Browser, admin: str) -> None:
    BatchFactory.create(state=Batch.State.FAILED, payload=b"frames", payload_bytes=6)
    chromium.open(f"{admin}events/batch/?state__exact=failed")
    chromium.click("#action-toggle")
    chromium.fill(action="discard")
    chromium.click("#changelist-form [name=index]")
    chromium.click("#content form [type=submit]")
    chromium.wait_for(".messagelist")
    assert not Batch.objects.filter(state=Batch.State.FAILED).exists()


def test_a_page_elsewhere_sends_events_where_its_origin_is_named_and_only_there(
    setting: Setting,
) -> None:
    assert sent_from(setting, "localhost") == 202
    assert "Failed to fetch" in str(sent_from(setting, ports.HOST))
    assert any("CORS" in said for said in setting.chromium.complaints())


def sent_from(setting: Setting, host: str) -> Any:
    """The status of a page's request that a browser asks leave for, or the error it got."""
    setting.chromium.open(f"http://{host}:{setting.shop}/")
    return setting.chromium.run(
        """return fetch(arguments[0], {
            method: "POST", body: arguments[1], headers: {"Content-Type": "application/json"},
        }).then(answer => answer.status, String)""",
        f"{setting.address}/events",
        json.dumps([event()]),
    )


def log_in(chromium: Browser, admin: str) -> None:
    get_user_model().objects.create_superuser("browser", password=PASSWORD)
    chromium.open(admin)
    chromium.fill(username="browser", password=PASSWORD)
    chromium.click("[type=submit]")
    chromium.wait_for("#user-tools")
    assert chromium.complaints() == []


def links(chromium: Browser, pattern: str) -> list[str]:
    found = chromium.run("return [...document.querySelectorAll('#content a')].map(it => it.href)")
    return sorted({href for href in found if re.search(pattern, href)})
