"""Views of pages that are saved under a name: saved, renamed, deleted, and by whom."""

from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from typing import Any

import pytest
from django.test import Client
from structlog.testing import capture_logs

from dashboard.models import Dashboard, SavedView
from dashboard.saving import store
from projects.models import DEFAULT, Project
from tests.dashboard.read import links, panel, text, texts
from tests.dashboard.saving.saved import SAVED, dashboard, fields, save, send
from tests.projects.made_people import browser, member
from tests.projects.made_projects import project
from tests.projects.test_keyring import postgresql_down

pytestmark = pytest.mark.usefixtures("stores")
NAMES = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "Щотижня 📈👩‍👩‍👧",
    "نمو المستخدمين",
    "\u202eturned round",
    "=HYPERLINK(1)",
    "{{ name }} {% csrf_token %}",
    "x" * 200,
    "📈" * 200,
]


@pytest.fixture
def app() -> Iterator[Project]:
    with project("app") as made:
        yield made


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content
    return str(answer.content.decode())


def test_a_page_is_saved_by_its_form_leads_back_and_says_so(client: Client, app: Project) -> None:
    asked = "project=app&range=7d&by=properties.country&unit=&segment=&script=no&cursor=x"
    strict = Client(enforce_csrf_checks=True)
    given = fields(page(strict, f"/dashboard/trends?{asked}"))
    sent = {**given, "action": "save", "name": " Growth "}
    answer = strict.post(f"{SAVED}?project=app", sent)
    back = "/dashboard/trends?project=app&by=properties.country&range=7d"
    assert (answer.status_code, answer["Location"]) == (302, back)
    assert "Saved as Growth" in text(page(client, back))
    assert "Saved as" not in text(page(client, back.replace("range=7d", "range=30d")))
    other = "/dashboard/trends?range=7d&by=properties.country&unit=&project=app"
    assert "Saved as Growth" in text(page(client, other))
    row = SavedView.objects.get()
    assert (row.project_id, row.name, row.page) == (app.pk, "Growth", "trends")
    # The days are those until today, whenever it is opened.
    assert row.query == "by=properties.country&range=7d"
    assert back in links(page(client, f"{SAVED}?project=app"))
    assert "Growth" not in page(client, SAVED)
    answer = strict.post(f"{SAVED}?project=app", sent | {"action": "save-to-share", "name": "Two"})
    pk = SavedView.objects.get(name="Two").pk
    assert answer["Location"] == f"{SAVED}/views/{pk}?project=app#share"


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_is_shown_as_it_is_on_every_page(client: Client, name: str) -> None:
    view = save(client, name)
    board = dashboard(client, view, name=name)
    for path in ("trends?range=7d", "saved", f"saved/views/{view.pk}", f"saved/{board.pk}"):
        html = page(client, f"/dashboard/{path}")
        assert escape(name) in html, path
        assert "<script>alert" not in html, path
        assert "<img" not in html, path
    assert escape(name) in panel(client, f"saved/views/{view.pk}/panel")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "The name is missing."),
        (" \u3000 ", "The name is missing."),
        ("x" * 201, "at most 200 characters"),
        ("a\nb", "control characters"),
        ("a\x00b", "control characters"),
        ("\u200b\u200e", "no character that can be seen"),
    ],
    ids=range(6),
)
def test_what_is_no_name_is_refused_and_can_be_mended(client: Client, name: str, said: str) -> None:
    given = {"name": name, "page": "trends", "query": "range=7d&by=properties.a"}
    html = send(client, "saved", "save", 400, **given).content.decode()
    assert said in text(html)
    assert fields(html)["query"] == given["query"]
    send(client, "saved", "make", 400, name=name)
    view = save(client)
    assert said in text(
        send(client, f"saved/views/{view.pk}", "rename", 400, name=name).content.decode()
    )
    assert SavedView.objects.get().name == "Weekly"
    assert not Dashboard.objects.exists()


def test_a_name_is_there_once_in_a_project(client: Client, app: Project) -> None:
    first, other = save(client, "Growth"), save(client, "Other")
    again = {"name": "Growth", "page": "funnel", "query": ""}
    assert "This name is taken." in text(
        send(client, "saved", "save", 409, **again).content.decode()
    )
    send(client, f"saved/views/{other.pk}", "rename", 409, name="Growth")
    send(client, f"saved/views/{first.pk}", "rename", name="Growth")
    assert save(client, "Growth", project="app").project_id == app.pk
    board = dashboard(client, name="Growth")
    send(client, "saved", "make", 409, name="Growth")
    send(client, f"saved/{board.pk}", "rename", name="Growth 2")
    assert Dashboard.objects.get().name == "Growth 2"


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (("trends", "range=ever"), 400, "range must be one of"),
        (("trends", "from=2026-02-30&to=2026-03-01"), 400, "From is not a date"),
        (("trends", "tz=Mars"), 400, "tz is no time zone"),
        (("people", "behind=weather"), 400, "behind is no report"),
        (("trends", "segment=" + "x" * 5000), 400, "longer than 4096 characters"),
        (("live", ""), 404, "no such page"),
        (("person", "id=u1"), 404, "no such page"),
        (("<b>", ""), 404, "no such page"),
    ],
    ids=range(8),
)
def test_what_the_page_would_refuse_is_not_saved(
    client: Client, given: tuple[str, str], status: int, said: str
) -> None:
    sent = {"name": "Bad", "page": given[0], "query": given[1]}
    assert said in text(send(client, "saved", "save", status, **sent).content.decode())
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("page_name", ["overview", "trends", "funnel", "retention", "people"])
def test_each_page_with_numbers_can_be_saved(client: Client, page_name: str) -> None:
    path = "" if page_name == "overview" else page_name
    given = fields(page(client, f"/dashboard/{path}"))
    assert given["page"] == page_name
    send(client, "saved", "save", name="It", page=page_name, query=given["query"])
    assert "Saved as It" in text(page(client, f"/dashboard/{path}"))


def numbers_of(client: Client) -> tuple[int, int]:
    view = save(client, project="app")
    send(client, "saved?project=app", "make", name="Theirs")
    return view.pk, Dashboard.objects.get(project__slug="app").pk


ACTIONS = ("rename", "delete", "put", "take-off", "share", "end-links", "up", "down")


def test_nothing_of_another_project_is_reached_by_its_number(client: Client, app: Project) -> None:
    pk, board = numbers_of(client)
    ours, our_board = save(client, "Ours"), dashboard(client, name="Ours")
    before = state_of_all()
    for path in (f"saved/views/{pk}", f"saved/{board}", f"saved/views/{pk}/panel"):
        assert "There is no such" in text(page(client, f"/dashboard/{path}", 404)), path
    given: dict[str, Any] = {"name": "Stolen", "days": "7"}
    for action in ACTIONS:
        for path in (f"saved/views/{pk}", f"saved/{board}"):
            sent = {"action": action, "view": ours.pk, "dashboard": our_board.pk, **given}
            assert client.post(f"/dashboard/{path}", sent).status_code in (400, 404), (action, path)
    send(client, f"saved/views/{ours.pk}", "put", 404, dashboard=board)
    send(client, f"saved/{our_board.pk}", "put", 404, view=pk)
    assert state_of_all() == before


def state_of_all() -> list[Any]:
    return [*SavedView.objects.order_by("pk").values(), *Dashboard.objects.order_by("pk").values()]


def test_the_steps_of_a_funnel_stay_in_their_order(client: Client) -> None:
    steps = "step=event_type%3Aview&step=event_type%3Abuy"
    assert save(client, "Buy", "funnel", f"{steps}&by=event_type").query.endswith(steps)


def test_the_log_says_who_changed_what_and_no_link(settings: Any) -> None:
    settings.API_KEYS_REQUIRED = True
    editor = browser(member("editor", Project.objects.get(pk=DEFAULT), username="ed"))
    with capture_logs() as logs:
        path = f"saved/views/{save(editor).pk}"
        html = send(editor, path, "share", 200, days="7").content.decode()
        for action in ("end-links", "delete"):
            send(editor, path, action)
        send(editor, path, "delete", 404)
    noted = [it for it in logs if it["event"] == "saved_views_changed"]
    assert [it["action"] for it in noted] == ["save", "share", "end-links", "delete"]
    assert {it["by"] for it in noted} == {"ed"}
    assert noted[-1]["path"] == f"/dashboard/{path}"
    [shared] = [it for it in logs if it["event"] == "view_shared"]
    assert shared["until"] > datetime.now(UTC).isoformat()
    link = html.partition('class="link" value="')[2].partition('"')[0]
    assert link.rpartition("/")[2] not in str(logs)


def test_asking_changes_nothing(client: Client) -> None:
    view = save(client)
    board = dashboard(client, view)
    before = state_of_all()
    for action in (*ACTIONS, "save", "make"):
        asked = f"action={action}&name=x&page=trends&view={view.pk}&dashboard={board.pk}&days=7"
        for path in ("saved", f"saved/views/{view.pk}", f"saved/{board.pk}"):
            client.get(f"/dashboard/{path}?{asked}")
    assert state_of_all() == before


def test_a_page_elsewhere_changes_nothing(client: Client) -> None:
    view = save(client)
    strict = Client(enforce_csrf_checks=True)
    for path in ("saved", f"saved/views/{view.pk}", f"saved/{dashboard(client).pk}"):
        assert strict.post(f"/dashboard/{path}", {"action": "delete"}).status_code == 403
    assert SavedView.objects.exists()


def test_viewers_look_and_editors_change(client: Client, settings: Any) -> None:
    default = Project.objects.get(pk=DEFAULT)
    view = save(client)
    board = dashboard(client, view)
    settings.API_KEYS_REQUIRED = True
    viewer, editor = (
        browser(member(role, default, username=role)) for role in ("viewer", "editor")
    )
    for path in ("trends", "saved", f"saved/views/{view.pk}", f"saved/{board.pk}"):
        html = page(viewer, f"/dashboard/{path}")
        assert html.count('<form method="post"') == html.count('action="/logout"') == 1, path
        assert page(editor, f"/dashboard/{path}").count('<form method="post"') > 1, path
    for path in ("saved", f"saved/views/{view.pk}", f"saved/{board.pk}"):
        answer = send(viewer, path, "delete", 403)
        assert "This request needs the role" in text(answer.content.decode())
    assert save(editor, "Mine").saved_by == "editor"
    assert "by editor" in text(page(viewer, SAVED))
    send(editor, f"saved/views/{view.pk}", "delete")
    assert "Weekly" not in page(viewer, SAVED)


def test_what_another_tab_has_deleted_is_told_in_words(client: Client) -> None:
    view = save(client)
    board = dashboard(client, view)
    send(client, f"saved/views/{view.pk}", "delete")
    for action in ("rename", "delete", "put", "share", "end-links"):
        answer = send(client, f"saved/views/{view.pk}", action, 404, name="x", days="7")
        assert "Somebody may have deleted it." in text(answer.content.decode()), action
    send(client, f"saved/{board.pk}", "delete")
    for action in ("rename", "delete", "up", "put", "take-off"):
        answer = send(client, f"saved/{board.pk}", action, 404, name="x", view=view.pk)
        assert "There is no such" in text(answer.content.decode()), action
    assert not SavedView.objects.exists()


def test_of_two_who_change_the_same_the_last_counts(client: Client) -> None:
    view = save(client)
    mine, theirs = (store.view(DEFAULT, view.pk) for _ in range(2))
    store.rename(mine, "Mine")
    store.rename(theirs, "Theirs")
    assert SavedView.objects.get().name == "Theirs"
    store.delete_view(mine)
    store.rename(theirs, "Late")
    store.delete_view(theirs)
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("number", [0, 2**63 - 1, 2**63, 10**30])
def test_numbers_of_nothing_lead_nowhere(client: Client, number: int) -> None:
    view = save(client)
    for path in (f"saved/{number}", f"saved/views/{number}", f"saved/views/{number}/panel"):
        page(client, f"/dashboard/{path}", 404)
    for given in (str(number), "-1", "x", "", "²", "1e3"):
        send(client, f"saved/views/{view.pk}", "put", 404, dashboard=given)


def test_a_project_has_so_many_and_no_more(client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(store, "MAX_VIEWS", 1)
    monkeypatch.setattr(store, "MAX_DASHBOARDS", 1)
    save(client)
    dashboard(client)
    sent = {"name": "More", "page": "trends", "query": ""}
    answer = send(client, "saved", "save", 400, **sent)
    assert "at most 1 saved views" in text(answer.content.decode())
    send(client, "saved", "make", 400, name="More")


def test_nothing_is_saved_in_a_project_that_is_being_deleted(app: Project) -> None:
    Project.objects.filter(pk=app.pk).update(deleted_at="2026-01-01T00:00:00Z")
    with pytest.raises(store.Gone, match="There is no such project"):
        store.save_view(project=app.pk, name="Late", page="trends", query="", by="")


def test_the_list_says_what_is_behind_each_name(client: Client) -> None:
    save(client, "A", "overview", "range=today")
    save(client, "B", "funnel", "from=2026-01-01&to=2026-01-31")
    save(client, "C", "people", "behind=trends&from=2026-01-01&to=2026-01-02")
    assert texts(page(client, SAVED), "<small", "small") == [
        "Overview, Today",
        "Funnel, 2026-01-01 \u2013 2026-01-31",
        "People behind a number",
    ]


def test_without_postgresql_it_is_told(client: Client) -> None:
    view = save(client)
    with postgresql_down():
        for path in ("saved", f"saved/views/{view.pk}", f"saved/views/{view.pk}/panel"):
            assert "PostgreSQL can't be reached" in text(page(client, f"/dashboard/{path}", 503))
        sent = {"name": "More", "page": "trends", "query": ""}
        send(client, "saved", "save", 503, **sent)
