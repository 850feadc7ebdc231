"""Pages in a real browser: light and dark, narrow and wide, without script, by keyboard."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from dashboard.models import Dashboard, SavedView
from dashboard.saving import links
from embedded import ports
from projects.models import DEFAULT
from tests import browser, web_server
from tests.browser import Browser
from tests.projects.made_projects import put_events
from tests.samples import event, moment
from tests.stored import deliver_all
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.production,
    pytest.mark.skipif(not browser.CHROMIUM or not browser.DRIVER, reason=browser.MISSING),
    pytest.mark.usefixtures("stores"),
]
STEPS = "step=event_type:view&step=event_type:buy"
PAGES = [
    "",
    "trends?by=properties.country&compare=previous&segment=properties.country:UA",
    f"funnel?{STEPS}&by=properties.country",
    "retention?range=7d&unit=day",
    "people",
    "people/one?id=user-1",
    "live",
    "settings",
    "health",
    "nowhere",
]
LONG = "a-name-without-any-place-to-break-" * 5


class Setting(NamedTuple):
    chromium: Browser
    address: str


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    with (
        web_server.running() as web,
        browser.running(tmp_path_factory.mktemp("chromium")) as chromium,
    ):
        yield Setting(chromium, f"http://{ports.HOST}:{web.port}/dashboard/")


@pytest.fixture
def history(stores: None) -> None:
    made = [
        event(
            user_id=f"user-{user}",
            event_type=kind,
            occurred_at=moment(days=ago, minutes=60 - number),
            properties={"country": country, "page": LONG},
        )
        for ago in range(6)
        for user, country in enumerate(["UA", "DE", "FR"])
        for number, kind in enumerate(["view", "buy", LONG])
    ]
    put_events(DEFAULT, [*made, event(user_id=LONG, event_type="view")])
    deliver_all()


@pytest.fixture
def saved(history: None) -> list[str]:
    """Addresses of what is saved, and of a page for strangers."""
    asked = [("overview", ""), ("trends", "range=7d&by=event_type"), ("funnel", STEPS)]
    views = [
        SavedView.objects.create(name=f"{page} {LONG}", page=page, query=query)
        for page, query in [*asked, ("retention", "range=7d&unit=day"), ("people", "")]
    ]
    board = Dashboard.objects.create(name=LONG, views=[view.pk for view in views])
    token, _ = links.share(views[0], days=7)
    own = [f"{board.pk}", f"{board.pk}?range=7d&change=yes", f"views/{views[1].pk}"]
    return ["saved", *(f"saved/{it}" for it in own), f"../shared/{token}"]


def loaded(chromium: Browser) -> None:
    wait_until(lambda: not chromium.texts("[aria-busy]"))


def test_every_page_is_whole_at_any_width_light_and_dark(
    setting: Setting, saved: list[str]
) -> None:
    chromium, address = setting
    for width in (1280, 360):
        for page in (*PAGES, *saved):
            where = f"{page} at {width}"
            chromium.emulate(width=width)
            chromium.open(address + page)
            loaded(chromium)
            assert chromium.texts("h1"), where
            light = chromium.run(COLOURS)
            chromium.emulate(width=width, dark=True)
            assert not {*light} & {*chromium.run(COLOURS)}, where
            expected = [it for it in chromium.complaints() if "/nowhere" not in it]
            assert expected == [], where
            assert chromium.run("return document.documentElement.scrollWidth") <= width, where
            # Only tables, code and navigation may be wider than they are shown.
            assert chromium.run(TOO_WIDE) == [], where
            assert page == "nowhere" or not chromium.texts(".error"), where


COLOURS = """
return [getComputedStyle(document.documentElement).backgroundColor,
        getComputedStyle(document.querySelector("h1")).color];
"""
TOO_WIDE = """
const mayScroll = (it) => it.closest(".scroll, nav, pre, .hidden, .skip");
return [...document.querySelectorAll("main *, header *")]
  .filter(it => !mayScroll(it) && !it.closest("svg") && it.getBoundingClientRect().right
    > document.documentElement.clientWidth + 1)
  .map(it => it.outerHTML.slice(0, 100));
"""


@pytest.mark.usefixtures("history")
def test_without_script_every_number_is_there(setting: Setting) -> None:
    chromium, address = setting
    chromium.emulate(width=1280)
    chromium.allow_script(False)
    try:
        chromium.open(address)
        chromium.wait_for(".tile")
        tiles = chromium.texts(".tile strong")
        assert chromium.texts("[aria-busy]") == []
    finally:
        chromium.allow_script(True)
    chromium.open(address)
    loaded(chromium)
    assert chromium.texts(".tile strong") == tiles == ["4", "55"]


@pytest.mark.usefixtures("history")
def test_the_keyboard_leads_to_the_filter_and_along_the_chart(setting: Setting) -> None:
    chromium, address = setting
    chromium.emulate(width=1280)
    chromium.open(f"{address}trends?range=7d")
    loaded(chromium)
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowRight"):
        chromium.press(key)
    told = chromium.texts(".told span")
    shown = chromium.run("return document.activeElement.dataset.title")
    columns = chromium.run(
        "return [...document.querySelectorAll('.column')].map(it => it.dataset.title)"
    )
    assert told[0] == shown == columns[-2]
    assert told[1] == "All 3"
    chromium.press("/")
    assert chromium.run("return document.activeElement.name") == "segment"
    assert chromium.run("return document.activeElement.value") == ""
    chromium.press("/")
    assert chromium.run("return document.activeElement.value") == "/"


def test_the_first_event_and_those_after_it_are_shown_when_they_come(setting: Setting) -> None:
    chromium, address = setting
    chromium.open(address)
    assert "Waiting" in chromium.wait_for(".welcome .first")
    put_events(DEFAULT, [event(user_id="first", occurred_at=datetime.now(UTC).isoformat())])
    assert "by first at" in chromium.wait_for(".came")
    deliver_all()
    chromium.click(".came a")
    chromium.wait_for(".tile")
    chromium.open(f"{address}live")
    assert chromium.wait_for(".events .id") == "first"
    chromium.run("document.querySelector('.events .id').focus()")
    put_events(DEFAULT, [event(user_id="second", occurred_at=datetime.now(UTC).isoformat())])
    wait_until(lambda: chromium.texts(".events .id")[0] == "second")
    assert chromium.texts(".total strong") == ["2"]
    assert asked_when(chromium, hidden=True) == 0
    assert asked_when(chromium, hidden=False) == 1
    assert chromium.complaints() == []


def asked_when(chromium: Browser, *, hidden: bool) -> int:
    """Requests that the panel makes when it is time for the next one."""
    asked: int = chromium.run(
        """Object.defineProperty(document, "hidden", {configurable: true, value: arguments[0]});
        let asked = 0;
        const fetched = window.fetch;
        window.fetch = (...given) => { asked += 1; return fetched(...given); };
        document.querySelector(".panel").dispatchEvent(new CustomEvent("every"));
        return new Promise(done => setTimeout(() => { window.fetch = fetched; done(asked); }, 500));
        """,
        hidden,
    )
    return asked


@pytest.mark.usefixtures("history")
def test_what_is_no_panel_is_never_shown_as_one(setting: Setting) -> None:
    """Such as the page of a proxy, or no answer at all; and it can be asked for again."""
    chromium, address = setting
    chromium.open(f"{address}people")
    loaded(chromium)
    for answer, said in (
        ("Promise.resolve(new Response('<h1>Bad gateway</h1>', {status: 502}))", "answered 502"),
        ("Promise.reject(new TypeError('gone'))", "can't be reached"),
    ):
        chromium.run(
            f"""const fetched = window.fetch; window.fetch = () => {answer};
            const panel = document.querySelector(".panel"), again = panel.cloneNode(true);
            again.dataset.hxTrigger = "load"; again.dataset.hxSwap = "outerHTML";
            again.dataset.hxGet = "/dashboard/people/panels/people";
            panel.replaceWith(again); htmx.process(again);
            setTimeout(() => {{ window.fetch = fetched; }}, 300);"""
        )
        assert said in chromium.wait_for(".panel .error")
        assert "Bad gateway" not in chromium.texts(".panel")[0]
        wait_until(lambda: chromium.run("return window.fetch.name === 'fetch'"))
        chromium.click(".panel button")
        chromium.wait_for(".panel table")
    chromium.complaints()
