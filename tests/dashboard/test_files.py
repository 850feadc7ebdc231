"""What a reader takes away: tables as CSV and charts as SVG, with the numbers of their panels."""

import csv
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from django.test import Client

import dashboard
from dashboard.files import SHADES, TONES
from projects.models import DEFAULT
from tests.dashboard.read import links, panel, rows, text, texts
from tests.projects.made_people import browser, member
from tests.projects.made_projects import project, put_events
from tests.samples import event
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")
DAYS = "from=2026-01-05&to=2026-01-11"
STEPS = "step=event_type:view&step=event_type:buy"
NAMES = [
    *("<script>alert(1)</script>", "\"'&<b>", "=1+1", "]]>", "\x01\x1b\ufffe", "a\nb", "שלום"),
    *("👩‍👩‍👧", "long " * 40, "javascript:alert(1)", "&#0;"),
]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def history(stores: None) -> None:
    made = [
        event(
            user_id=f"user {n}",
            event_type=kind,
            occurred_at=f"2026-01-{5 + (n + day) % 7:02}T{10 + day}:00:00Z",
            properties={"name": name},
        )
        for n, name in enumerate(NAMES)
        for day, kind in enumerate(["view", "buy", "=1+1", "<b>&\"'"][: 2 + n % 3])
    ]
    put_events(DEFAULT, made)
    deliver_all()


def table(client: Client, html: str, index: int = 0) -> list[dict[str, str]]:
    """The rows of a file that a panel offers."""
    files = [it for it in links(html) if "format=csv" in it]
    got = client.get(files[index])
    assert got.status_code == 200, got.content
    assert "attachment" in got["Content-Disposition"]
    return [*csv.DictReader(io.StringIO(got.content.decode()))]


def drawing(client: Client, path: str) -> tuple[Any, str]:
    """The root of a file, and all of its text."""
    got = client.get(f"/dashboard/{path}")
    assert got.status_code == 200, got.content
    assert got["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="[a-z0-9.-]+\.svg"', got["Content-Disposition"])
    root = ElementTree.fromstring(got.content)
    return root, "\n".join(root.itertext())


@pytest.mark.usefixtures("history")
def test_the_tables_have_the_numbers_of_their_panels(client: Client) -> None:
    html = panel(client, f"overview/panels/headline?{DAYS}")
    for index, name in enumerate(["users", "events"]):
        found = table(client, html, index)
        now = [row for row in found if row["period"] == "main"]
        assert len(now) == 7, name
        if name == "users":
            assert [row["value"] for row in now] == [cells[1] for cells in rows(html)]
    html = panel(client, f"overview/panels/types?{DAYS}")
    shown = texts(html, '<span class="value"', "span")
    assert [row["count"] for row in table(client, html)] == shown
    html = panel(client, f"overview/panels/newcomers?{DAYS}")
    new = sum(int(row["value"]) for row in table(client, html) if row["period"] == "main")
    assert str(new) == texts(html, '<span class="value"', "span")[0] == str(len(NAMES))
    html = panel(client, f"retention/panels/cohorts?{DAYS}&unit=day")
    users = {row["cohort"]: row["cohort_users"] for row in table(client, html) if row["cohort"]}
    assert [*users.values()] == [cells[1] for cells in rows(html)]


@pytest.mark.usefixtures("history")
def test_tables_of_names_are_harmless_and_whole(client: Client) -> None:
    query = f"{DAYS}&by=properties.name&segment=event_type:view&top=50"
    html = panel(client, f"trends/panels/trend?{query}")
    found = table(client, html)
    totals: dict[str, int] = {}
    for row in found:
        totals[row["value_of"]] = totals.get(row["value_of"], 0) + int(row["value"])
    assert {"'=1+1", "שלום", "<script>alert(1)</script>"} <= totals.keys()
    assert "=1+1" not in totals
    assert set(totals.values()) == {1}
    html = panel(client, f"funnel/panels/funnel?{DAYS}&{STEPS}&by=properties.name&top=50")
    steps = table(client, html)
    assert [row["users"] for row in steps[:2]] == texts(html, '<span class="value"', "span")
    assert len(steps) == 2 * (1 + len(NAMES))
    assert "'=1+1" in {row["value"] for row in steps}
    html = panel(client, "people/panels/people?prefix=user+1")
    assert [row["user_id"] for row in table(client, html)] == [cells[0] for cells in rows(html)]
    html = panel(client, f"people/panels/people?behind=top-events&{DAYS}&limit=1&event_type=view")
    assert len(table(client, html)) == len(NAMES) == int(texts(html, "<strong", "strong")[0])


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("path", "opening", "tag"),
    [
        ("overview/panels/types", '<span class="value"', "span"),
        ("overview/panels/newcomers", '<span class="value"', "span"),
        ("funnel/panels/funnel", '<span class="value"', "span"),
        ("retention/panels/cohorts", "<td", "td"),
        ("trends/panels/trend", '<span class="key', "span"),
        ("overview/panels/headline", '<text class="up"', "text"),
    ],
)
def test_a_drawing_has_what_its_panel_shows_and_stands_alone(
    client: Client, path: str, opening: str, tag: str
) -> None:
    filters = f"segment={quote('not(event_type):</svg>')}"
    query = f"{DAYS}&{STEPS}&by=properties.name&top=50&unit=day&{filters}"
    html = panel(client, f"{path}?{query}")
    assert f"/dashboard/{path}.svg" in {it.partition("?")[0] for it in links(html)}
    root, said = drawing(client, f"{path}.svg?{query}")
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert {"5 Jan \u2013 11 Jan 2026, UTC", "not(event_type):</svg>"} <= {
        part.strip(" ·") for part in said.splitlines()
    }
    shown = [it for it in texts(html, opening, tag) if it]
    assert len(shown) > 1
    for name in shown[:6] if "trends" in path else shown:
        assert name[:80].split("\x01")[0].strip() in " ".join(said.split()), name
    tags = {it.tag.removeprefix(SVG) for it in root.iter()}
    assert not tags & {"script", "a", "image", "use", "foreignObject"}, tags
    attributes = {name for it in root.iter() for name in it.attrib}
    assert not [name for name in attributes if "href" in name or name.startswith("on")]
    assert not re.search(r"var\(|url\(|@import", said)


@pytest.mark.usefixtures("history")
def test_names_are_in_a_drawing_as_text(client: Client) -> None:
    for name in NAMES:
        query = f"{DAYS}&by=properties.name&segment={quote(f'properties.name:{name}')}"
        _, said = drawing(client, f"trends/panels/trend.svg?{query}")
        shown = name.replace("\x01\x1b\ufffe", "\ufffd" * 3)
        assert " ".join(shown.split()) in " ".join(said.split()), name


@pytest.mark.usefixtures("history")
def test_a_drawing_says_that_it_does_not_have_all_lines(client: Client) -> None:
    query = f"{DAYS}&by=properties.name&top=50"
    root, said = drawing(client, f"trends/panels/trend.svg?{query}")
    cut = f"The chart shows the first 6 of {len(NAMES)} lines only."
    assert cut in said
    assert cut in text(panel(client, f"trends/panels/trend?{query}"))
    whole, said = drawing(client, f"trends/panels/trend.svg?{query}&segment=user_id:user+1")
    assert "The chart shows" not in said
    # It stands below the names of the lines, with room for it.
    assert int(root.get("height")) == int(whole.get("height")) + 5 * 20 + 24


def test_the_colours_of_drawings_are_those_of_the_pages() -> None:
    folder = Path(dashboard.__file__).parent / "static" / "dashboard"
    css = (folder / "dashboard.css").read_text()
    light, _, _ = css.partition("@media")
    assert tuple(re.findall(r"--tone-\d: (#\w+);", light)) == TONES
    shades = re.findall(r"\.shade-\d \{ background: rgba\(var\(--heat\), ([\d.]+)\)", css)
    assert tuple(map(float, shades)) == SHADES


def test_where_nothing_is_shown_nothing_is_drawn(client: Client) -> None:
    for path in ("overview/panels/headline", "overview/panels/types", "funnel/panels/funnel"):
        assert "<svg xmlns" not in (html := panel(client, path))
        assert "format=csv" not in html
        got = client.get(f"/dashboard/{path}.svg")
        assert (got.status_code, got["Content-Type"][:9]) == (404, "text/html"), path
        assert "There is nothing to draw." in text(got.content.decode())
    got = client.get("/dashboard/trends/panels/trend.svg?segment=nonsense")
    assert got.status_code == 400
    assert "Only events \u201cnonsense\u201d" in text(got.content.decode())


def test_a_member_takes_both_by_their_session(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    with project("app") as app:
        put_events(app.pk, [event(event_type="open")])
        deliver_all()
        them = browser(member("viewer", app))
        html = panel(them, "overview/panels/types?project=app")
        assert table(them, html) == [{"event_type": "open", "count": "1"}]
        [svg] = [it for it in links(html) if ".svg" in it]
        assert them.get(svg).status_code == 200
        assert Client().get(svg)["Location"].startswith("/login?next=")
        [link] = [it for it in links(html) if "format=csv" in it]
        assert Client().get(link).status_code == 401


def test_what_is_printed_names_its_project_days_and_filters(client: Client) -> None:
    asked = f"{DAYS}&measure=events&by=properties.a&segment={quote('event_type:<b>')}"
    html = client.get(f"/dashboard/trends?{asked}&approved=yes").content.decode()
    [printed] = texts(html, '<p class="printed"', "p")
    days = "5 Jan \u2013 11 Jan 2026, UTC"
    assert printed == f"Default · {days} · measure: events · by: properties.a · event_type:<b>"
    assert "<b>" not in html.partition('class="printed"')[2].partition("</p>")[0]


@pytest.mark.parametrize(
    ("path", "asked", "said"),
    [
        ("trends", "unit=hour&range=90d", ["unit: day"]),
        ("trends", "window=7d&mode=on&step=a", []),
        ("", "measure=events&unit=hour&segment=event_type:a", ["event_type:a"]),
        ("retention", "unit=day&by=x&or.1=event_type:a", ["unit: day", "or.1: event_type:a"]),
        ("funnel", f"{STEPS}&unit=hour", ["step: event_type:view", "step: event_type:buy"]),
    ],
)
def test_only_what_the_report_was_asked_is_told(
    client: Client, path: str, asked: str, said: list[str]
) -> None:
    [printed] = texts(
        client.get(f"/dashboard/{path}?{asked}").content.decode(), '<p class="printed"', "p"
    )
    assert printed.split(" · ")[2:] == said
