"""Pages in a real browser: for any reader, without script, by keyboard, and as events come."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from embedded import ports
from projects.models import DEFAULT
from tests import axe, browser, web_server
from tests.browser import Browser
from tests.dashboard.looks import assert_reached_by_keyboard, assert_whole
from tests.projects.made_projects import project, put_events
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
    "trends?by=event_type&measure=events&range=today",
    f"funnel?{STEPS}&by=properties.country",
    "retention?range=7d&unit=day",
    "people",
    "people/one?id=user-1",
    "live",
    "nowhere",
    "../login",
]
LONG = "a_name_without_any_place_to_break_" * 5


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
        for user, country in enumerate(["UA", "DE", "שלום"])
        for number, kind in enumerate(["view", "buy", LONG])
    ]
    put_events(DEFAULT, [*made, event(user_id=LONG, event_type="view", occurred_at=moment(days=3))])
    deliver_all()


def loaded(chromium: Browser) -> None:
    wait_until(lambda: not chromium.texts("[aria-busy]"))


@pytest.mark.usefixtures("history")
def test_every_page_is_whole_for_any_reader(setting: Setting) -> None:
    chromium, address = setting
    for page in PAGES:
        chromium.emulate(width=1280)
        chromium.open(address + page)
        loaded(chromium)
        assert page == "nowhere" or not chromium.texts(".error"), page
        assert_reached_by_keyboard(chromium, page)
        assert_whole(chromium, page)
        assert [it for it in chromium.complaints() if "/nowhere" not in it] == [], page


def test_the_keyboard_leads_past_the_navigation(setting: Setting) -> None:
    chromium, address = setting
    chromium.emulate(width=1280, still=True)
    chromium.open(f"{address}people")
    loaded(chromium)
    chromium.press("Tab")
    assert chromium.run("return document.activeElement.textContent") == "Skip to the numbers"
    assert chromium.run("return document.activeElement.getBoundingClientRect().left") > 0
    chromium.press("Enter")
    chromium.press("Tab")
    assert chromium.run("return document.activeElement.closest('main') !== null")


def test_the_choice_of_a_project_is_for_any_reader(setting: Setting) -> None:
    chromium, address = setting
    with project("other"):
        chromium.open(f"{address}people")
        loaded(chromium)
        chromium.run("document.querySelector('.switch').open = true")
        assert_reached_by_keyboard(chromium, "projects")
        assert_whole(chromium, "projects")


def test_nothing_moves_for_who_wants_that(setting: Setting) -> None:
    chromium, address = setting
    chromium.open(f"{address}live")
    for still in (False, True):
        chromium.emulate(width=1280, still=still)
        assert chromium.run(WAITING) is not still


WAITING = """
const panel = document.querySelector(".panel");
panel.innerHTML = '<div class="waiting"><span></span></div>';
return document.getAnimations().length > 0;
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
    assert_reached_by_keyboard(chromium, "the first visit")
    assert_whole(chromium, "the first visit")
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
        assert axe.findings(chromium) == []
        assert "Bad gateway" not in chromium.texts(".panel")[0]
        wait_until(lambda: chromium.run("return window.fetch.name === 'fetch'"))
        chromium.click(".panel button")
        chromium.wait_for(".panel table")
    chromium.complaints()


def test_of_a_test_that_fails_a_screenshot_is_kept(
    setting: Setting,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    setting.chromium.open(f"{setting.address}nowhere")
    monkeypatch.setattr("tests.conftest.SCREENSHOTS", str(tmp_path))
    failed = pytest.CallInfo.from_call(lambda: pytest.fail("on purpose"), "call")
    report = request.node.ihook.pytest_runtest_makereport(item=request.node, call=failed)
    [(title, file)] = [it for it in report.sections if "screenshot" in it[0]]
    assert title == "screenshot"
    assert Path(file).parent == tmp_path
    assert Path(file).read_bytes().startswith(b"\x89PNG")
    setting.chromium.complaints()


def test_a_session_that_ended_in_another_tab_leads_the_page_to_the_login(setting: Setting) -> None:
    chromium, address = setting
    chromium.open(f"{address}people")
    loaded(chromium)
    chromium.run(
        """const headers = {"HX-Redirect": "/login?next=/dashboard/people"};
        window.fetch = () => Promise.resolve(new Response("", {status: 401, headers}));
        const panel = document.querySelector(".panel"), again = panel.cloneNode(true);
        again.dataset.hxTrigger = "load";
        again.dataset.hxGet = "/dashboard/people/panels/people";
        panel.replaceWith(again);
        htmx.process(again);"""
    )
    chromium.wait_for("[name=username]")
    assert chromium.run("return location.search") == "?next=/dashboard/people"
