"""Shared links: one view for whoever has the address, until it ends, and nothing else."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.core import signing
from django.test import Client

from analytics.models import SavedSegment
from dashboard.models import SavedView
from dashboard.saving import links as shared_links
from dashboard.saving.store import Gone
from projects.models import DEFAULT, Project
from tests import factories
from tests.dashboard.read import links, text, texts
from tests.dashboard.saving.saved import SAVED, save, send
from tests.projects.made_people import browser, member
from tests.projects.made_projects import delete, project, put_events
from tests.projects.test_keyring import postgresql_down
from tests.samples import event, moment
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")
NOWHERE = "http://default@127.0.0.1:1/default"
DAY = 24 * 3600


@pytest.fixture
def history(stores: None) -> None:
    made = [
        event(user_id=user, event_type=kind, occurred_at=moment(days=1, minutes=9 - minute))
        for user, kinds in {"ann": ["view", "buy"], "bob": ["view"]}.items()
        for minute, kind in enumerate(kinds)
    ]
    put_events(DEFAULT, made)
    deliver_all()


@pytest.fixture
def view(history: None) -> SavedView:
    return SavedView.objects.create(name="Growth", page="trends", query="range=7d&by=event_type")


@pytest.fixture
def stranger(settings: Any) -> Client:
    """Somebody without any right."""
    settings.API_KEYS_REQUIRED = True
    return Client(raise_request_exception=False)


def share(view: SavedView, days: int = 7) -> str:
    """The path of a new link."""
    return f"/shared/{shared_links.share(view, days=days)[0]}"


def asked(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, (path, answer.status_code, answer.content)
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["X-Robots-Tag"] == "noindex"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "unsafe" not in answer["Content-Security-Policy"]
    return str(answer.content.decode())


def test_a_link_made_by_an_editor_shows_the_view_to_anyone(
    stranger: Client, view: SavedView
) -> None:
    editor = browser(member("editor", Project.objects.get(pk=DEFAULT)))
    answer = send(editor, f"saved/views/{view.pk}", "share", 200, days="7")
    assert answer["Cache-Control"] == "no-store"
    html = answer.content.decode()
    [link] = [unescape(it) for it in re.findall(r'class="link" value="([^"]*)"', html)]
    assert link.startswith("http://testserver/shared/")
    path = link.removeprefix("http://testserver")
    page = asked(stranger, path)
    assert texts(page, "<h1", "h1") == ["Growth"]
    assert "Days are those of UTC. Shared until" in text(page)
    [panel] = re.findall(r'data-hx-get="([^"]*)"', page)
    assert panel == f"{path}/panels/trend"
    direct = editor.get("/dashboard/trends/panels/trend?range=7d&by=event_type").content.decode()
    for found in ("<td", "<th", "<title"):
        own = texts(asked(stranger, panel), found, found[1:])
        assert own == texts(direct, found, found[1:]), found
        assert own, found
    assert "shared until" in text(editor.get(SAVED).content.decode())
    assert "shared until" not in text(editor.get("/dashboard/trends").content.decode())


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("overview", ""),
        ("trends", "by=event_type&segment=set(properties.country)&compare=previous"),
        ("funnel", "step=event_type:view&step=event_type:buy&by=event_type"),
        ("retention", "unit=day&range=7d"),
    ],
)
def test_a_shared_page_leads_nowhere_and_names_nobody(
    client: Client, stranger: Client, settings: Any, page: str, query: str
) -> None:
    settings.API_KEYS_REQUIRED = False
    made = save(client, "Shown", page, query)
    settings.API_KEYS_REQUIRED = True
    path = share(made)
    html = asked(stranger, f"{path}?script=no")
    assert "aria-busy" not in html
    assert ">2<" in html or "100 %" in html
    assert [it for it in links(html) if not it.startswith("/static/")] == []
    assert "/dashboard" not in html.replace("/static/dashboard/", "")
    assert "csrf" not in html
    for name in ("ann", "bob"):
        assert name not in text(html), name
    panels = re.findall(r'data-hx-get="([^"]*)"', asked(stranger, path))
    assert len(panels) == (3 if page == "overview" else 1)
    for panel in panels:
        assert panel.startswith(f"{path}/panels/")
        assert links(asked(stranger, panel)) == []


def test_nothing_in_the_address_changes_what_it_shows(stranger: Client, view: SavedView) -> None:
    path = share(view)
    panel = f"{path}/panels/trend"
    for more in (
        "range=today&segment=event_type:nothing&by=user_id&measure=events&unit=hour",
        "project=other&tz=Asia/Tokyo&cursor=x&from=x&script=no&format=csv",
    ):
        assert asked(stranger, f"{panel}?{more}") == asked(stranger, panel)
    assert asked(stranger, f"{path}?range=today&tz=Mars") == asked(stranger, path)


@pytest.mark.parametrize(("days", "until"), [(1, DAY), (90, 90 * DAY)])
def test_a_link_ends(
    stranger: Client, view: SavedView, monkeypatch: Any, days: int, until: int
) -> None:
    path, now = share(view, days), time.time()
    monkeypatch.setattr(time, "time", lambda: now + until - 60)
    asked(stranger, path)
    monkeypatch.setattr(time, "time", lambda: now + until)
    for ended in (path, f"{path}/panels/trend"):
        assert "This link has ended." in text(asked(stranger, ended, 410))


def test_a_link_with_another_character_is_none(stranger: Client, view: SavedView) -> None:
    token = share(view).removeprefix("/shared/")
    other = save_another(view)
    forged = [
        *(
            f"{token[:n]}{'B' if token[n] == 'A' else 'A'}{token[n + 1 :]}"
            for n in range(len(token))
        ),
        *(token[:-1], token + "A", token[1:], token.upper(), token.replace(":", "")),
        token.replace(f"{view.pk}.", f"{other.pk}.", 1),
        signing.Signer(salt="dashboard.shared_link", key="another key" * 5).sign(
            token.rpartition(":")[0]
        ),
        signing.Signer(salt="another use").sign(token.rpartition(":")[0]),
        *("x", ":", "1.2.3", "1.2.3:", ":" * 99, "é", "%00", "%F0%9F%93%88", "a" * 5000, ".."),
    ]
    for one in forged:
        assert "There is no such page." in text(asked(stranger, f"/shared/{one}", 404)), one
    assert "There is no such page." in text(
        asked(stranger, f"/shared/{forged[0]}/panels/trend", 404)
    )


def save_another(view: SavedView) -> SavedView:
    return SavedView.objects.create(name="Other", page=view.page, query=view.query)


def ends_by_deletion(view: SavedView) -> None:
    view.delete()


def ends_by_hand(view: SavedView) -> None:
    shared_links.end_all(view)


def ends_with_its_project(view: SavedView) -> None:
    Project.objects.filter(slug="app").update(deleted_at=datetime.now(UTC))


def ends_by_a_segment_that_changes(view: SavedView) -> None:
    vip = factories.SavedSegmentFactory.create(
        project_id=view.project.pk, name="vip", text="segment=event_type:buy"
    )
    SavedView.objects.update(query="segment=saved(vip)")
    asked(Client(), share(view))
    SavedSegment.objects.filter(pk=vip.pk).update(text="or.1=event_type:a&or.1=user_id:ann")


def ends_by_another_question(view: SavedView) -> None:
    """Whatever wrote the row: persons are not shown to strangers."""
    SavedView.objects.update(query="by=user_id")


@pytest.mark.parametrize(
    "end",
    [
        ends_by_deletion,
        ends_by_hand,
        ends_with_its_project,
        ends_by_another_question,
        ends_by_a_segment_that_changes,
    ],
)
def test_links_end_at_once(stranger: Client, end: Callable[[SavedView], None]) -> None:
    with project("app") as app:
        view = SavedView.objects.create(project=app, name="Growth", page="trends", query="")
        paths = [share(view, days) for days in (1, 90)]
        for path in paths:
            asked(stranger, path)
        end(view)
        for path in paths:
            for ended in (path, f"{path}/panels/trend"):
                assert "This link has ended." in text(asked(stranger, ended, 410))


def test_after_all_links_were_ended_new_ones_can_be_made(client: Client, view: SavedView) -> None:
    send(client, f"saved/views/{view.pk}", "share", 200, days="90")
    send(client, f"saved/views/{view.pk}", "share", 200, days="1")
    page = f"/dashboard/saved/views/{view.pk}"
    assert "The last link ends" in text(client.get(page).content.decode())
    [until] = SavedView.objects.values_list("shared_until", flat=True)
    assert until is not None
    assert (until - datetime.now(UTC)).days == 89
    old = share(view)
    send(client, f"saved/views/{view.pk}", "end-links")
    assert "The last link ends" not in text(client.get(page).content.decode())
    asked(client, old, 410)
    view.refresh_from_db()
    asked(client, share(view))


def test_a_link_that_is_made_while_others_are_ended_is_good(
    stranger: Client, view: SavedView
) -> None:
    shared_links.end_all(view)
    asked(stranger, share(view))
    SavedView.objects.get().delete()
    with pytest.raises(Gone, match="Somebody may have deleted it"):
        share(view)


def test_a_deleted_project_leaves_no_view(stranger: Client) -> None:
    with project("app") as app:
        view = SavedView.objects.create(project=app, name="Growth", page="trends", query="")
        path = share(view)
        delete(app)
        assert not SavedView.objects.exists()
        asked(stranger, path, 410)


@pytest.mark.parametrize(
    ("page", "query", "said"),
    [
        ("people", "", "It lists people"),
        ("people", "behind=trends&from=2026-01-01&to=2026-01-02", "It lists people"),
        ("trends", "by=user_id", "It asks about single people"),
        ("overview", "segment=not(user_id):ann", "It asks about single people"),
        ("overview", "or.1=user_id%3Dann", "It asks about single people"),
        ("funnel", "step=user_id:ann&step=event_type:buy", "It asks about single people"),
        ("trends", "series=in(user_id):ann,bob", "It asks about single people"),
        ("funnel", r"step=event_type:buy,user_id:a\,b", "It asks about single people"),
        ("retention", "start=contains(user_id):a", "It asks about single people"),
        ("retention", "return=unset(user_id)", "It asks about single people"),
        ("overview", "segment=saved(vip)", "It asks about single people"),
        ("overview", "segment=saved(gone)", "there is no saved segment 'gone'"),
        ("trends", "by=country", "Its filters can't be read"),
    ],
)
def test_what_names_persons_is_not_shared(client: Client, page: str, query: str, said: str) -> None:
    factories.SavedSegmentFactory.create(name="vip", text="segment=user_id:ann")
    made = save(client, "Persons", page, query)
    html = client.get(f"/dashboard/saved/views/{made.pk}").content.decode()
    assert said in text(html)
    assert 'value="share"' not in html
    answer = send(client, f"saved/views/{made.pk}", "share", 400, days="7")
    assert said in text(answer.content.decode())
    asked(client, share(made), 410)


@pytest.mark.parametrize(
    "query",
    [
        "by=properties.user_id&segment=properties.user_id:ann",
        "segment=event_type:user_id&series=did(user_id)",
    ],
)
def test_what_only_looks_like_a_person_is_shared(client: Client, query: str) -> None:
    asked(client, share(save(client, "Growth", query=query)))


@pytest.mark.parametrize("days", ["", "0", "-1", "8", "9999999", "x", "7.0"])
def test_a_link_has_one_of_the_ends_that_are_offered(
    client: Client, view: SavedView, days: str
) -> None:
    answer = send(client, f"saved/views/{view.pk}", "share", 400, days=days)
    assert "A link ends after" in text(answer.content.decode())
    assert SavedView.objects.get().shared_until is None


def test_only_looking_is_possible_and_only_at_panels_of_the_page(
    stranger: Client, view: SavedView
) -> None:
    path = share(view)
    for url in (path, f"{path}/panels/trend"):
        for method in ("post", "put", "delete", "options"):
            assert getattr(stranger, method)(url).status_code == 405
        assert stranger.head(url).status_code == 200
    for name in ("headline", "people", "first", "live", "x"):
        asked(stranger, f"{path}/panels/{name}", 404)


def test_a_shared_page_has_the_zone_of_its_project(client: Client) -> None:
    with project("tokyo", time_zone="Asia/Tokyo"):
        path = share(save(client, "Growth", "overview", project="tokyo"))
        html = asked(client, f"{path}?script=no")
        assert "Days are those of Asia/Tokyo." in text(html)
        # Nobody else is told how to send events.
        assert "Send the first event" not in html


def test_without_stores_it_is_told_in_words(
    stranger: Client, view: SavedView, settings: Any
) -> None:
    path = share(view)
    with postgresql_down():
        for url in (path, f"{path}/panels/trend"):
            assert "PostgreSQL can't be reached." in text(asked(stranger, url, 503))
    settings.CLICKHOUSE_URL = NOWHERE
    html = asked(stranger, f"{path}/panels/trend", 503)
    assert "ClickHouse can't answer now" in text(html)
    assert f'data-hx-get="{path}/panels/trend"' in html
    asked(stranger, path)


def test_a_view_that_is_too_large_says_so_without_settings(
    client: Client, view: SavedView, settings: Any
) -> None:
    path, settings.CLICKHOUSE_QUERY_ROWS = share(view), 1
    SavedView.objects.update(query="by=properties.a")
    shown = text(asked(client, f"{path}/panels/trend", 503))
    assert "This view is too large to be shown now." in shown
    assert "CLICKHOUSE" not in shown
    asked_by_us = client.get("/dashboard/trends/panels/trend?by=properties.a").content.decode()
    assert "increase CLICKHOUSE_QUERY_ROWS" in text(asked_by_us)


def test_a_filter_is_told_and_can_not_be_removed(client: Client) -> None:
    html = asked(client, share(save(client, query="segment=event_type:<b>")))
    assert texts(html, "<code", "code") == ["event_type:<b>"]


def test_shared_pages_count_for_the_rate_limit(
    stranger: Client, view: SavedView, settings: Any
) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 2
    path = share(view)
    answers = [stranger.get(url) for url in (path, f"{path}/panels/trend", path)]
    assert [it.status_code for it in answers] == [200, 200, 429]
    for url in (path, f"{path}/panels/trend"):
        html = asked(stranger, url, 429)
        assert "More than 2 requests a minute" in text(html)
        assert "/dashboard/" not in html.replace("/static/dashboard/", "")


def test_what_is_told_before_a_view_is_asked_leads_strangers_nowhere(view: SavedView) -> None:
    path = share(view)
    answer = Client(enforce_csrf_checks=True).post(path)
    assert answer.status_code == 403
    assert [it for it in links(answer.content.decode()) if not it.startswith("/static/")] == []
    assert answer["Referrer-Policy"] == "no-referrer"


def test_a_link_with_something_after_it_is_told_in_words(stranger: Client, view: SavedView) -> None:
    for more in ("/", "/panels", "/panels/trend/", "/x/y"):
        assert "There is no such page." in text(asked(stranger, f"{share(view)}{more}", 404))
