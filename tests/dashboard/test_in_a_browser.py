"""Pages in a real browser: for any reader, without script, by keyboard, and as events come."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dashboard.models import Dashboard, SavedView
from dashboard.saving import links
from embedded import ports
from importer.receiving import upload_jobs
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
    "settings",
    "health",
    "import",
    "nowhere",
    "../login",
]
# To press Tab through a page takes seconds. The forms and links of others are like those of these.
TABBED = {PAGES[1], PAGES[3], "people", "settings", "import", "../login"}
LONG = "a_name_without_any_place_to_break_" * 5


class Setting(NamedTuple):
    chromium: Browser
    address: str
    imports: Path


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("imports")
    with (
        web_server.running(IMPORT_FOLDER=str(folder)) as web,
        browser.running(tmp_path_factory.mktemp("chromium")) as chromium,
    ):
        yield Setting(chromium, f"http://{ports.HOST}:{web.port}/dashboard/", folder)


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


def test_every_page_is_whole_for_any_reader(setting: Setting, saved: list[str]) -> None:
    chromium, address, _ = setting
    for page in (*PAGES, *saved):
        chromium.emulate(width=1280)
        chromium.open(address + page)
        loaded(chromium)
        assert page == "nowhere" or not chromium.texts(".error"), page
        if page in TABBED or "change=yes" in page:
            assert_reached_by_keyboard(chromium, page)
        assert_whole(chromium, page)
        assert [it for it in chromium.complaints() if "/nowhere" not in it] == [], page


def test_the_keyboard_leads_past_the_navigation(setting: Setting) -> None:
    chromium, address, _ = setting
    chromium.emulate(width=1280, still=True)
    chromium.open(f"{address}people")
    loaded(chromium)
    chromium.press("Tab")
    assert chromium.run("return document.activeElement.textContent") == "Skip to the numbers"
    assert chromium.run("return document.activeElement.getBoundingClientRect().left") > 0
    chromium.press("Enter")
    chromium.press("Tab")
    assert chromium.run("return document.activeElement.closest('main') !== null")


IN_SIGHT = """
const [chosen, nav] = [document.querySelector(arguments[0] + " [aria-current]"), arguments[0]];
const [inner, outer] = [chosen, document.querySelector(nav)].map(it => it.getBoundingClientRect());
// Less than a pixel can be lost by rounding.
return inner.left > outer.left - 1 && inner.right < outer.right + 1 && window.scrollY === 0;
"""


def test_on_a_narrow_screen_the_page_and_the_days_that_are_chosen_are_in_sight(
    setting: Setting,
) -> None:
    chromium, address, _ = setting
    chromium.emulate(width=390)
    for page in ("", "people", "saved", "settings"):
        chromium.open(address + page)
        loaded(chromium)
        assert chromium.run(IN_SIGHT, ".top nav"), page
    chromium.emulate(width=300)
    chromium.open(f"{address}?range=12m")
    loaded(chromium)
    assert chromium.run(IN_SIGHT, ".ranges")


def test_on_a_dashboard_twelve_weeks_of_retention_are_there_without_scrolling(
    setting: Setting,
) -> None:
    chromium, address, _ = setting
    ago = [event(user_id=f"of-{week}", occurred_at=moment(days=7 * week)) for week in range(12)]
    put_events(DEFAULT, ago)
    deliver_all()
    view = SavedView.objects.create(name="weeks", page="retention", query="range=90d&unit=week")
    board = Dashboard.objects.create(name="board", views=[view.pk])
    chromium.emulate(width=1440)
    chromium.open(f"{address}saved/{board.pk}")
    loaded(chromium)
    assert len(chromium.texts(".heat tbody tr")) >= 12
    hidden = chromium.run(
        "const it = document.querySelector('.scroll'); return it.scrollHeight - it.clientHeight;"
    )
    assert hidden == 0


def test_the_choice_of_a_project_is_for_any_reader(setting: Setting) -> None:
    chromium, address, _ = setting
    chromium.emulate(width=1280)
    with project("other"):
        chromium.open(f"{address}people")
        loaded(chromium)
        chromium.run("document.querySelector('.switch').open = true")
        assert_reached_by_keyboard(chromium, "projects")
        assert_whole(chromium, "projects")


def test_nothing_moves_for_who_wants_that(setting: Setting) -> None:
    chromium, address, _ = setting
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
    chromium, address, _ = setting
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
    chromium, address, _ = setting
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
    assert told[1] == "Users 3"
    chromium.press("/")
    assert chromium.run("return document.activeElement.name") == "segment"
    assert chromium.run("return document.activeElement.value") == ""
    chromium.press("/")
    assert chromium.run("return document.activeElement.value") == "/"


@pytest.mark.usefixtures("history")
def test_a_filter_is_chosen_by_keyboard_and_by_pointer(setting: Setting) -> None:
    chromium, address, _ = setting
    chromium.emulate(width=360)
    chromium.open(address)
    loaded(chromium)
    for key in "/coun":
        chromium.press(key)
    wait_until(lambda: offered(chromium) == ["country"])
    assert chromium.run(FIELD) == ["coun", "true", None]
    chromium.press("ArrowDown")
    assert chromium.run(FIELD) == ["coun", "true", "offer-0"]
    chromium.press("Enter")
    wait_until(lambda: "שלום" in offered(chromium))
    assert chromium.run("return document.documentElement.scrollWidth") <= 360
    assert chromium.run(FIELD) == ["properties.country:", "true", None]
    for _ in range(offered(chromium).index("שלום") + 1):
        chromium.press("ArrowDown")
    chromium.press("Enter")
    assert chromium.run(FIELD) == ["properties.country:שלום", "false", None]
    assert offered(chromium) == []
    chromium.click(".filters button")
    assert chromium.wait_for(".chips code") == "properties.country:שלום"
    loaded(chromium)
    assert chromium.texts(".tile strong") == ["1", "18"]
    chromium.open(f"{address}funnel")
    chromium.run("document.querySelectorAll('[name=step]')[1].focus()")
    chromium.press("ArrowDown")
    wait_until(lambda: {"buy", LONG} <= {*offered(chromium)})
    assert chromium.run("return document.documentElement.scrollWidth") <= 360
    chromium.press("Escape")
    assert offered(chromium) == []
    chromium.press("ArrowUp")
    wait_until(lambda: "buy" in offered(chromium))
    chromium.click(f".offer:nth-child({offered(chromium).index('buy') + 1})")
    assert chromium.run(FIELD) == ["event_type:buy", "false", None]
    assert chromium.complaints() == []


@pytest.mark.usefixtures("history")
def test_an_answer_that_comes_too_late_is_not_offered(setting: Setting) -> None:
    chromium, address, _ = setting
    chromium.open(f"{address}retention")
    chromium.run(HELD)
    chromium.run(TYPED, "bu")
    wait_until(lambda: chromium.run("return window.held.length") == 1)
    chromium.run(TYPED, "coun")
    wait_until(lambda: offered(chromium) == ["country"])
    # The service stops what nobody waits for.
    assert chromium.run("return left.aborted")
    chromium.run("return held[0]().then(() => new Promise(done => setTimeout(done, 100)))")
    assert offered(chromium) == ["country"]


TYPED = """
const field = document.querySelector("[name=start]");
field.focus();
field.value = arguments[0];
field.dispatchEvent(new Event("input"));
"""
# The answer to `bu` comes when it is let go.
HELD = """
window.held = [];
const fetched = window.fetch;
window.fetch = (url, how) => new Promise(done => {
  const answer = () => { const got = fetched(url); done(got); return got; };
  if (url.endsWith("text=bu")) held.push(answer) && (window.left = how.signal); else answer();
});
"""
FIELD = """
const field = document.activeElement;
const said = ["aria-expanded", "aria-activedescendant"].map(it => field.getAttribute(it));
return [field.value, ...said];
"""


def offered(chromium: Browser) -> list[str]:
    return chromium.texts(".offers:not([hidden]) .label")


@pytest.mark.usefixtures("history")
def test_on_paper_a_page_is_whole_black_on_white_and_says_what_it_is(setting: Setting) -> None:
    chromium, address, _ = setting
    try:
        for page in ("", PAGES[1], PAGES[2], PAGES[3]):
            chromium.emulate(width=700, dark=True)
            chromium.open(address + page)
            loaded(chromium)
            chromium.emulate(width=700, dark=True, on_paper=True)
            assert chromium.run(_COLOURS) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"], page
            assert chromium.run(ON_PAPER, "h1, .printed, .panel h2, svg, tbody tr"), page
            assert not chromium.run(ON_PAPER, "nav, form, button, .files, footer, .chips"), page
            assert "Default · " in chromium.texts(".printed")[0]
    finally:
        chromium.emulate(width=1280)


# Whether any of these can be seen.
_COLOURS = """
return [getComputedStyle(document.documentElement).backgroundColor,
        getComputedStyle(document.querySelector("h1")).color];
"""
ON_PAPER = """
return [...document.querySelectorAll(arguments[0])].some(it => it.checkVisibility());
"""


def test_a_file_that_is_dropped_is_imported_and_shown(setting: Setting, settings: Any) -> None:
    chromium, address, settings.IMPORT_FOLDER = setting
    chromium.open(address)
    chromium.wait_for("[data-drop]")
    made = [event(user_id=f"user {n}", occurred_at="2024-02-29T10:00:00Z") for n in range(3)]
    lines = [f"{it['event_id']},{it['occurred_at']},{it['user_id']},buy" for it in made]
    head = "event_id,occurred_at,user_id,event_type"
    chromium.run(DROP, "\n".join([head, *lines, "x,y,z,buy"]))
    assert "events.csv has arrived" in chromium.wait_for(".progress p")
    upload_jobs.import_waiting()
    wait_until(lambda: "3 events stored, 1 row could not" in chromium.wait_for(".progress p"))
    assert chromium.texts(".progress td")[0] == "5"
    deliver_all()
    chromium.click(".progress a.main")
    chromium.wait_for(".tile")
    assert chromium.texts(".tile strong") == ["3", "3"]
    chromium.open(f"{address}import")
    chromium.run(DROP, "")
    assert chromium.wait_for(".sent.error") == "The body is empty."
    assert [it for it in chromium.complaints() if "400" not in it] == []


DROP = """
const data = new DataTransfer();
data.items.add(new File([arguments[0]], "events.csv"));
const drop = { dataTransfer: data, bubbles: true, cancelable: true };
document.querySelector("[data-drop]").dispatchEvent(new DragEvent("drop", drop));
"""


def test_the_first_event_and_those_after_it_are_shown_when_they_come(setting: Setting) -> None:
    chromium, address, _ = setting
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
    chromium, address, _ = setting
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
    chromium, address, _ = setting
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
