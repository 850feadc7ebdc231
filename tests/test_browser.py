"""The pages in a real browser: nothing that they need is refused by their own policy."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from django.contrib.auth import get_user_model

from embedded import ports
from events.models import Batch
from tests import browser, web_server
from tests.browser import Browser
from tests.factories import BatchFactory
from tests.samples import event

pytestmark = [
    pytest.mark.production,
    pytest.mark.skipif(not browser.CHROMIUM or not browser.DRIVER, reason=browser.MISSING),
    pytest.mark.usefixtures("stores"),
]
PASSWORD = "a password of the tests"


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
    pages = [*lists, *links(chromium, r"/admin/\w+/\w+/add/$")]
    for page in (*pages, f"{admin}django_celery_beat/periodictask/1/change/"):
        chromium.open(page)
        assert chromium.texts("#content"), page
        assert chromium.complaints() == [], page
    make_key(chromium, admin)
    discard_batches(chromium, admin)
    assert chromium.complaints() == []


def make_key(chromium: Browser, admin: str) -> None:
    chromium.open(f"{admin}projects/apikey/add/")
    chromium.fill(name="a browser's")
    chromium.click("[name=scopes]")
    chromium.click("[name=_save]")
    assert chromium.wait_for("#secret").startswith("ea_")


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
