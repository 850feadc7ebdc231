"""`GET /events` as its clients see it: the hot layer, filtered and page by page."""

from base64 import urlsafe_b64encode

import pytest
from django.http import QueryDict
from django.test import Client

from config.memory import room
from events.api.query_parameters import search_filters
from events.api.search import search
from projects.models import DEFAULT
from tests.posting import post
from tests.samples import event, moment

pytestmark = pytest.mark.usefixtures("stores")


def _cursor(occurred_at: str) -> str:
    text = f"{occurred_at} 0191f5a0-0000-7000-8000-000000000001"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_the_hot_layer_answers_newest_first_page_by_page(client: Client) -> None:
    sent = [event(occurred_at=moment(minutes=n), user_id=f"u{n % 2}") for n in range(7)]
    post(client, sent, "?wait=true")
    shown: list[str] = []
    query = "?limit=3"
    while True:
        page = client.get(f"/events{query}").json()
        shown += [e["event_id"] for e in page["events"]]
        if not page["next"]:
            break
        query = f"?limit=3&cursor={page['next']}"
    assert shown == [e["event_id"] for e in sent]


def test_pages_do_not_lose_events_of_the_same_moment(client: Client) -> None:
    at = moment(minutes=5)
    sent = [event(occurred_at=at) for _ in range(10)]
    post(client, sent, "?wait=true")
    first = client.get("/events?limit=4").json()
    second = client.get(f"/events?limit=10&cursor={first['next']}").json()
    ids = {e["event_id"] for e in first["events"] + second["events"]}
    assert ids == {e["event_id"] for e in sent}
    assert second["next"] is None


def test_the_hot_layer_is_filtered(client: Client) -> None:
    olga = event(user_id="olga", occurred_at=moment(hours=3))
    ivan = event(user_id="ivan", event_type="purchase", occurred_at=moment(hours=1))
    post(client, [olga, ivan], "?wait=true")

    def ids(query: str) -> list[str]:
        return [e["event_id"] for e in client.get(f"/events?{query}").json()["events"]]

    assert ids("user_id=olga") == [olga["event_id"]]
    assert ids("event_type=purchase") == [ivan["event_id"]]
    assert ids("user_id=olga&event_type=purchase") == []
    between = moment(hours=2).replace("+", "%2B")
    assert ids(f"from={between}") == [ivan["event_id"]]
    assert ids(f"to={between}") == [olga["event_id"]]
    day = ivan["occurred_at"][:10]
    assert ivan["event_id"] in ids(f"from={day}&to={day}")
    exact = ivan["occurred_at"].replace("+", "%2B")
    assert ids(f"from={exact}&to={exact}") == [ivan["event_id"]]


def test_a_wrong_search_parameter_is_named(client: Client) -> None:
    for query, parameter in [
        ("from=yesterday", "from"),
        ("from=2025-02-30", "from"),
        ("to=2025-01-01T00:00:00", "to"),
        ("from=2025-01-02&to=2025-01-01", "from"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=1e3", "limit"),
        ("cursor=abc", "cursor"),
        ("user_id=", "user_id"),
        ("user_id=a&user_id=b", "user_id"),
        ("event_type=%00", "event_type"),
        ("page=2", "page"),
        ("from=2026-W01-1", "from"),
        ("to=20260101", "to"),
        ("from=0001-01-01T00:00:00%2B00:01", "from"),
        ("to=9999-12-31T23:59:59.999-23:59", "to"),
        ("to=2026-01-01T23:59:60Z", "to"),
        ("from=2026-01-01T00:00:00.001Z&to=2026-01-01T00:00:00.000999Z", "from"),
        (f"cursor={_cursor('0001-01-01T00:00:00+00:01')}", "cursor"),
        (f"cursor={_cursor('2026-01-01T00:00:00')}", "cursor"),
        (f"cursor={_cursor('2026-01-01T00:00:00Z')}!", "cursor"),
    ]:
        answer = client.get(f"/events?{query}")
        assert answer.status_code == 400, (query, parameter)
        assert [error["parameter"] for error in answer.json()["errors"]] == [parameter], (
            query,
            parameter,
        )


EDGES = [
    "0001-01-01",
    "0001-01-01T00:00:00Z",
    "0001-01-01T23:59:00+23:59",
    "2026-01-01T00:00:00+16:00",
    "2026-01-01T00:00:00-16:00",
    "2026-01-01T00:00:00+23:59:59.999999",
    "9999-12-31",
    "9999-12-31T00:00:00-23:59",
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59.999999Z",
]


@pytest.mark.parametrize("edge", EDGES)
def test_every_instant_of_the_calendar_can_be_searched_with(client: Client, edge: str) -> None:
    is_late = edge.startswith("9999")
    sent = event()
    post(client, [sent], "?wait=true")

    def found(**query: str) -> bool:
        answer = client.get("/events", query)
        assert answer.status_code == 200, answer.content
        return [one["event_id"] for one in answer.json()["events"]] == [sent["event_id"]]

    assert found(**{"from": edge}) is not is_late
    assert found(to=edge) is is_late
    assert found(**{"from": edge, "to": edge}) is False
    if "T" in edge:
        assert found(cursor=_cursor(edge)) is is_late


def test_what_is_finer_than_a_millisecond_is_cut_off_like_that_of_events(client: Client) -> None:
    second = moment(minutes=5)[:19]
    sent = [event(occurred_at=f"{second}.{digits}Z") for digits in ("000", "001", "001999")]
    post(client, sent, "?wait=true")
    first, *later = [one["event_id"] for one in sent]

    def ids(**query: str) -> set[str]:
        return {one["event_id"] for one in client.get("/events", query).json()["events"]}

    assert ids(to=f"{second}.0005Z") == {first}
    assert ids(**{"from": f"{second}.0009Z", "to": f"{second}.0001Z"}) == {first}
    assert ids(**{"from": f"{second}.0019Z"}) == {*later}


@pytest.mark.parametrize(("limit", "size"), [(2, 528_288), (1_000, 6_194_304)])
def test_a_page_has_room_for_its_properties_and_rows_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, limit: int, size: int
) -> None:
    monkeypatch.setattr(room, "work", room.Room(size))
    share = room.Share(room.work, 0)
    with room.held(share):
        search(project=DEFAULT, filters=search_filters(QueryDict(f"limit={limit}")))
    assert share.size == size


def test_sql_in_a_search_parameter_is_only_text(client: Client) -> None:
    post(client, [event()], "?wait=true")
    for text in ("' OR '1'='1", "'; DROP TABLE hot_events; --", "%27%20OR%201=1"):
        assert client.get("/events", {"user_id": text}).json()["events"] == []
    assert len(client.get("/events").json()["events"]) == 1
