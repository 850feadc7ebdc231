"""Days that a reader chooses by a form of the page."""

import re

import pytest
from django.test import Client

from tests.dashboard.read import panel, texts

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
    assert told == "Days: 2 Nov \u2013 Sun 8 Nov 2026"
    [told] = texts(panel(client, "?range=7d"), "<summary", "summary")[-1:]
    assert told == "Other days"
