"""Days that a reader chooses by a form of the page."""

import re

import pytest
from django.test import Client

from tests.dashboard.read import links, panel, text, texts

pytestmark = pytest.mark.usefixtures("stores")
CHOSEN = "from=2026-11-02&to=2026-11-08"


def fields(html: str) -> list[tuple[str, str]]:
    """Names and values of the form of the days."""
    form = html.split('<div class="days">')[1].split("</form>", maxsplit=1)[0]
    inputs = re.findall(r"<input [^>]*>", form)
    return [
        (re.findall(r'name="([^"]*)"', it)[0], re.findall(r'value="([^"]*)"', it)[0])
        for it in inputs
    ]


def test_other_days_keep_all_that_the_address_says_besides(client: Client) -> None:
    html = panel(client, f"trends?{CHOSEN}&measure=events&segment=a:b&segment=c:d&script=no")
    kept = [("measure", "events"), ("segment", "a:b"), ("segment", "c:d"), ("script", "no")]
    assert fields(html) == [*kept, ("from", "2026-11-02"), ("to", "2026-11-08")]


def test_days_that_are_chosen_are_told_and_a_range_is_not(client: Client) -> None:
    [told] = texts(panel(client, f"?{CHOSEN}"), "<summary", "summary")[-1:]
    assert told == "Days: 2 Nov \u2013 8 Nov 2026"
    [told] = texts(panel(client, "?range=7d"), "<summary", "summary")[-1:]
    assert told == "Other days"


@pytest.mark.parametrize(
    "days", ["from=2026-11-08&to=2026-11-02", "from=2026-11-32", "range=8d", "to=2026-11-02"]
)
@pytest.mark.parametrize("page", ["", "trends", "funnel", "people", "saved"])
def test_days_that_are_refused_lead_back_to_the_form_with_all_else(
    client: Client, days: str, page: str
) -> None:
    kept = "project=default&measure=events&segment=a%3Ab&segment=c%3Ad&unit=week"
    html = panel(client, f"{page}?{days}&{kept}&cursor=x", 400)
    assert "Choose other days" in text(html)
    back = f"/dashboard/{page}?{kept}"
    assert back in links(html)
    assert client.get(back).status_code == 200


def test_what_else_is_refused_does_not_blame_the_days(client: Client) -> None:
    html = panel(client, "trends?from=2026-11-02&to=2026-11-08&tz=Nowhere", 400)
    assert "Choose other days" not in text(html)
