"""Saved views on one page: their order, their days, and each by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from dashboard.models import Dashboard, SavedView
from dashboard.saving import boards, store
from dashboard.state import NO_SCRIPT
from projects.models import DEFAULT
from tests.dashboard.read import links, panel, text, texts
from tests.dashboard.saving.saved import dashboard, save, send
from tests.projects.made_projects import put_events
from tests.samples import event, moment
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture
def history(stores: None) -> None:
    """Of ann some days ago, and of bob weeks ago."""
    ago = {"ann": 3, "bob": 20}
    put_events(DEFAULT, [event(user_id=it, occurred_at=moment(days=n)) for it, n in ago.items()])
    deliver_all()


def page(client: Client, path: str) -> str:
    answer = client.get(f"/dashboard/{path}")
    assert answer.status_code == 200, answer.content
    return str(answer.content.decode())


def names(client: Client, board: Dashboard) -> list[str]:
    return texts(page(client, f"saved/{board.pk}"), '<h2 class="titled"><a', "a")


def test_views_are_put_on_a_dashboard_moved_and_taken_off(client: Client) -> None:
    views = [save(client, name) for name in "ABC"]
    board = dashboard(client, *views)
    assert names(client, board) == ["A", "B", "C"]
    for action, view, expected in [
        ("up", views[2], "ACB"),
        ("down", views[0], "CAB"),
        ("up", views[2], "CAB"),
        ("down", views[1], "CAB"),
        ("put", views[1], "CAB"),
        ("take-off", views[0], "CB"),
        ("down", views[0], "CB"),
        ("take-off", views[0], "CB"),
        ("put", views[0], "CBA"),
    ]:
        answer = send(client, f"saved/{board.pk}?change=yes", action, view=view.pk)
        assert answer["Location"] == f"/dashboard/saved/{board.pk}?change=yes"
        assert names(client, board) == list(expected), action
    send(client, f"saved/views/{views[1].pk}", "take-off", dashboard=board.pk)
    send(client, f"saved/views/{views[2].pk}", "delete")
    assert names(client, board) == ["A"]
    assert Dashboard.objects.get().views == [views[0].pk]
    send(client, f"saved/{board.pk}", "delete")
    assert SavedView.objects.count() == 2


@pytest.mark.usefixtures("history")
def test_each_view_has_its_own_days_until_others_are_chosen(client: Client) -> None:
    week, month = save(client, "Week", query="range=7d"), save(client, "Month", query="range=30d")

    def shown(query: str) -> list[str]:
        asked = [f"saved/views/{view.pk}/panel?{query}" for view in (week, month)]
        return [texts(panel(client, it), '<td class="number"', "td")[0] for it in asked]

    assert shown("") == ["1", "2"]
    assert shown("range=30d") == ["2", "2"]
    days = [(datetime.now(UTC) - timedelta(days=ago)).date().isoformat() for ago in (25, 15)]
    assert shown(f"from={days[0]}&to={days[1]}") == ["1", "1"]
    assert shown("range=today") == ["0", "0"]


@pytest.mark.usefixtures("history")
def test_a_panel_is_the_first_of_its_page_and_leads_there(client: Client) -> None:
    steps = "step=event_type:page_view&step=event_type:page_view"
    given = [("overview", ""), ("funnel", steps), ("retention", "unit=day"), ("people", "")]
    board = dashboard(client, *(save(client, it, it, query) for it, query in given))
    html = page(client, f"saved/{board.pk}?script=no&range=90d")
    for name, query in given:
        view = SavedView.objects.get(name=name)
        own = panel(client, f"saved/views/{view.pk}/panel?range=90d")
        first = {"overview": "headline", "retention": "cohorts"}.get(name, name)
        direct = panel(client, f"{name}/panels/{first}?{query}&range=90d")
        for found in ("<strong", "<td", "<em"):
            assert texts(own, found, found[1:]) == texts(direct, found, found[1:]), name
        assert client.get(links(own)[0]).status_code == 200
        assert html.count(f">{name}</a> <small>") == 1


def test_the_days_stay_in_the_address(client: Client) -> None:
    board = dashboard(client, save(client))
    html = page(client, f"saved/{board.pk}?range=90d")
    assert texts(html, '<a href="[^"]*" aria-current="true"', "a") == ["90 days"]
    view = SavedView.objects.get()
    assert f'data-hx-get="/dashboard/saved/views/{view.pk}/panel?range=90d"' in html
    assert 'action="?range=90d&amp;change=yes"' in html
    html = page(client, f"saved/{board.pk}")
    assert texts(html, '<a href="[^"]*" aria-current="true"', "a") == ["As saved"]


@pytest.mark.usefixtures("history")
def test_people_behind_a_number_stay_those_of_its_days(client: Client) -> None:
    today = datetime.now(UTC).date()
    days = f"from={today - timedelta(days=5)}&to={today}"
    view = save(client, "Who", "people", f"behind=trends&{days}")
    html = panel(client, f"saved/views/{view.pk}/panel?range=90d")
    assert texts(html, '<a href="[^"]*" class="id"', "a") == ["ann"]


def test_a_view_that_can_not_be_had_keeps_no_other_from_it(client: Client) -> None:
    bad, good = save(client, "Bad", query="measure=wishes"), save(client, "Good", query="")
    html = page(client, f"saved/{dashboard(client, bad, good).pk}?script=no")
    assert "Measure must be" in text(html)
    assert "No events on these days." in text(html)
    again = panel(client, f"saved/views/{bad.pk}/panel", status=400)
    assert texts(again, '<h2 class="titled"><a', "a") == ["Bad"]
    assert "Open the view to change it." in text(again)
    assert "Try again" not in text(again)


def test_without_script_a_dashboard_does_not_load_itself_again(client: Client) -> None:
    path = f"saved/{dashboard(client, save(client)).pk}"
    assert f'url=?script={NO_SCRIPT}"' in page(client, path)
    assert "refresh" not in page(client, f"{path}?script={NO_SCRIPT}")


def test_without_script_views_that_come_too_late_are_shown_alone(
    client: Client, monkeypatch: Any
) -> None:
    monkeypatch.setattr(boards, "_SECONDS", 0)
    html = page(client, f"saved/{dashboard(client, save(client)).pk}?script=no&range=90d")
    assert '<a href="/dashboard/trends?range=90d">Show it alone</a>' in html
    assert "aria-busy" not in html


def test_an_empty_project_is_told_how_to_send_on_its_own_pages_only(client: Client) -> None:
    view = save(client, page="overview")
    assert "Send the first event" in text(panel(client, "overview/panels/headline"))
    assert "Send the first event" not in text(panel(client, f"saved/views/{view.pk}/panel"))
    assert "Send the first event" not in text(
        page(client, f"saved/{dashboard(client, view).pk}?script=no")
    )


def test_each_view_has_its_own_zone_until_another_is_chosen(client: Client) -> None:
    put_events(DEFAULT, [event(occurred_at="2026-01-10T23:00:00Z")])
    deliver_all()
    days = "from=2026-01-11&to=2026-01-11"
    view = save(client, query=f"{days}&tz=Europe/Kyiv")
    board = dashboard(client, view)
    own = page(client, f"saved/{board.pk}?script=no")
    assert texts(own, '<td class="number"', "td")[0] == "1"
    assert "Europe/Kyiv" in texts(own, "<small", "small")[0]
    html = page(client, f"saved/{board.pk}?tz=UTC")
    [address] = [it for it in html.split('"') if f"/views/{view.pk}/panel" in it]
    chosen = panel(client, address.removeprefix("/dashboard/"))
    assert texts(chosen, '<td class="number"', "td")[0] == "0"


def test_wrong_days_are_told(client: Client) -> None:
    view = save(client)
    board = dashboard(client, view)
    answer = client.get(f"/dashboard/saved/{board.pk}?range=ever")
    assert (answer.status_code, "range must be" in text(answer.content.decode())) == (400, True)
    panel(client, f"saved/views/{view.pk}/panel?range=ever", status=400)


def test_a_view_that_was_deleted_meanwhile_says_so_in_its_place(client: Client) -> None:
    view = save(client)
    send(client, f"saved/views/{view.pk}", "delete")
    html = panel(client, f"saved/views/{view.pk}/panel", status=404)
    assert html.startswith('<section class="panel')
    assert "Somebody may have deleted it." in text(html)


def test_a_dashboard_has_so_many_views_and_no_more(client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(store, "MAX_ON_A_DASHBOARD", 1)
    first, more = save(client, "A"), save(client, "B")
    board = dashboard(client, first)
    answer = send(client, f"saved/{board.pk}", "put", 400, view=more.pk)
    assert "at most 1 views" in text(answer.content.decode())
    send(client, f"saved/{board.pk}", "put", view=first.pk)
    assert names(client, board) == ["A"]


def test_an_empty_dashboard_says_what_to_do(client: Client) -> None:
    assert "No view is on this dashboard yet." in text(
        page(client, f"saved/{dashboard(client).pk}")
    )


@pytest.mark.usefixtures("history")
def test_a_session_that_ended_leads_the_dashboard_to_the_login(
    client: Client, settings: Any
) -> None:
    view = save(client)
    settings.API_KEYS_REQUIRED = True
    asks = {"HX-Request": "true", "HX-Current-URL": "http://testserver/dashboard/saved/1"}
    answer = client.get(f"/dashboard/saved/views/{view.pk}/panel", headers=asks)
    assert answer["HX-Redirect"] == "/login?next=/dashboard/saved/1"
