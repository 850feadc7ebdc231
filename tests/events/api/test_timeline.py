"""`GET /users/{id}/events`: what a person did, newest first, out of both stores and each once."""

import json
import random
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client

from config.memory import room
from events.api import timeline
from events.api.query_parameters import TimelinePage
from events.format.properties import MAX_BYTES
from events.models import HotEvent
from events.storing import hot
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.posting import post
from tests.projects.made_projects import project, put_events
from tests.samples import event, framed, moment
from tests.stored import deliver_all

pytestmark = pytest.mark.usefixtures("stores")


def page(client: Client, query: str = "", user: str = "u1") -> Any:
    answer = client.get(f"/users/{quote(user, safe='')}/events?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def pages(client: Client, limit: int) -> list[Any]:
    found = page(client, f"limit={limit}")
    shown: list[Any] = found["events"]
    while found["next"]:
        found = page(client, f"limit={limit}&cursor={found['next']}")
        assert len(found["events"]) <= limit
        shown += found["events"]
        assert len(shown) == len({*ids(shown)})
    return shown


def ids(events: list[Any]) -> list[str]:
    return [one["event_id"] for one in events]


def newest_first(sent: list[Any]) -> list[str]:
    return ids(sorted(sent, key=lambda it: (it["occurred_at"], it["event_id"]), reverse=True))


def put_cold(sent: list[Any]) -> None:
    engine.insert_block(token=str(uuid.uuid4()), body=framed(sent))


def put_hot(sent: list[Any]) -> None:
    hot.ensure_partitions(now=datetime.now(UTC))
    for it in sent:
        text = {"properties": json.dumps(it["properties"])}
        HotEvent.objects.create(**{**it, **text})


def test_events_of_both_stores_come_newest_first_as_they_were_sent(
    client: Client, by_hand: None
) -> None:
    old = event(occurred_at=moment(days=40), properties={"a.b": 1, "a": {"b": [None, 1e300]}})
    post(client, [old, event(user_id="u2")], "?wait=true")
    deliver_all()
    fresh = event(event_type="buy", properties={"z": 1, "a": "é"})
    post(client, [fresh], "?wait=true")
    shown = page(client)
    assert shown["next"] is None
    expected = [
        {**it, "occurred_at": it["occurred_at"].replace("+00:00", "Z")} for it in (fresh, old)
    ]
    assert shown["events"] == expected
    assert [*shown["events"][0]["properties"]] == ["z", "a"]


@pytest.mark.parametrize("seed", range(2))
def test_each_event_is_shown_once_wherever_it_is(client: Client, seed: int) -> None:
    """Some are in one store, some in both, and many share their millisecond."""
    choose = random.Random(seed)
    base = datetime.now(UTC) - timedelta(days=2)
    places: dict[str, list[Any]] = {"hot": [], "both": [], "cold": []}
    for _ in range(40):
        at = base + timedelta(milliseconds=choose.randrange(12))
        one = event(occurred_at=at.isoformat(timespec="milliseconds"))
        places[choose.choice([*places])].append(one)
    put_hot(places["hot"] + places["both"])
    put_cold(places["cold"] + places["both"])
    put_cold([event(user_id="u2")])
    put_hot([event(user_id="u2")])
    sent = [one for some in places.values() for one in some]
    for limit in (3, 7, 39, 40, 41):
        assert ids(pages(client, limit)) == newest_first(sent), limit


def test_pages_stay_as_they_are_while_events_come_and_leave_the_hot_layer(client: Client) -> None:
    sent = [event(occurred_at=moment(minutes=n)) for n in range(1, 40)]
    put_hot(sent)
    found, shown = page(client, "limit=5"), list[Any]()
    while True:
        shown += found["events"]
        # They are delivered and the oldest are purged, while others come.
        if len(shown) == 5:
            put_cold(sent)
        HotEvent.objects.filter(event_id__in=ids(sent[-len(shown) :])).delete()
        for put in (put_hot, put_cold):
            put([event(occurred_at=moment(seconds=1))])
        if not found["next"]:
            break
        found = page(client, f"limit=5&cursor={found['next']}")
    assert ids(shown) == ids(sent)


def test_an_event_that_moves_while_both_stores_are_asked_is_shown(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes to ClickHouse and leaves PostgreSQL after the first of them was asked."""
    put_hot([one := event()])
    asked: list[str] = []

    def moving(read: Callable[..., Any]) -> Callable[..., Any]:
        def answer(*arguments: Any) -> Any:
            found = read(*arguments)
            if not asked:
                put_cold([one])
                HotEvent.objects.all().delete()
            asked.append(read.__name__)
            return found

        return answer

    for name in ("_hot", "_cold"):
        monkeypatch.setattr(timeline, name, moving(getattr(timeline, name)))
    assert ids(page(client)["events"]) == ids([one])
    assert len(asked) == 2


def test_copies_in_clickhouse_are_one_event(client: Client) -> None:
    sent = [event(occurred_at=moment(minutes=n)) for n in range(5)]
    for _ in range(3):
        put_cold(sent)
    for limit in (1, 4, 5, 100):
        assert ids(pages(client, limit)) == ids(sent)


@pytest.mark.parametrize("places", [("hot",), ("cold",), ("hot", "cold")])
def test_a_page_ends_before_its_properties_are_too_large(
    client: Client, places: tuple[str, ...]
) -> None:
    large = {"text": "x" * (MAX_BYTES - 100)}
    sent = [event(occurred_at=moment(minutes=n), properties=large) for n in range(40)]
    for number, place in enumerate(places):
        put = put_hot if place == "hot" else put_cold
        put(sent[number :: len(places)])
    found = page(client, "limit=40")
    assert 10 <= len(found["events"]) <= 17
    assert ids(pages(client, 40)) == ids(sent)


@pytest.mark.parametrize("large", ["hot", "cold"])
def test_a_page_goes_no_further_than_both_stores_are_known(client: Client, large: str) -> None:
    """One ends its part early, since its events are large. The other's are small."""
    text = {"text": "x" * (MAX_BYTES - 100)}
    sent = [
        event(occurred_at=moment(minutes=n), properties={} if n % 2 else text) for n in range(60)
    ]
    put_large, put_small = (put_hot, put_cold) if large == "hot" else (put_cold, put_hot)
    put_large(sent[::2])
    put_small(sent[1::2])
    assert ids(pages(client, 60)) == ids(sent)


def test_of_a_person_with_very_many_events_a_page_is_a_page(client: Client) -> None:
    engine.command(
        "INSERT INTO events (event_id, occurred_at, user_id, event_type, properties_text)"
        " SETTINGS max_partitions_per_insert_block = 0"
        " SELECT generateUUIDv4(), toDateTime64('2025-01-01 00:00:00', 3, 'UTC') + number % 40000,"
        " 'u1', 'view', '{}' FROM numbers(100000)"
    )
    first = page(client, "limit=1000")
    second = page(client, f"limit=1000&cursor={first['next']}")
    both = first["events"] + second["events"]
    assert ids(both) == newest_first(both)
    assert len({*ids(both)}) == 2_000
    told = client.get("/users/u1").json()
    assert told["events"] == 100_000
    assert both[0]["occurred_at"] == told["last_seen"]


def test_one_event_is_a_whole_timeline(client: Client) -> None:
    for put, user, at in ((put_hot, "u1", moment(hours=-20)), (put_cold, "u2", moment(days=9))):
        one = event(user_id=user, occurred_at=at)
        put([one])
        shown = page(client, "limit=1", user)
        assert (ids(shown["events"]), shown["next"]) == ([one["event_id"]], None)


def test_events_of_1970_and_of_the_future_have_their_place(client: Client) -> None:
    soon, past = event(occurred_at=moment(hours=-23)), event(occurred_at="1970-01-01T00:00:00.000Z")
    put_cold([past, soon])
    assert ids(pages(client, 1)) == ids([soon, past])


def test_any_id_leads_to_its_own_timeline(client: Client) -> None:
    """One that ends in /events as well, though its address without a second one is another's."""
    users = ["a/b", "/", "a//b", "a/", "50%", "a?b", "a b", "😀", "a'b\\", "events", "a/events"]
    sent = [event(user_id=user) for user in users]
    put_cold([*sent, event(user_id="a")])
    for one in sent:
        assert ids(page(client, user=one["user_id"])["events"]) == ids([one])


def test_an_id_that_ends_in_events_is_taken_for_the_timeline_of_the_rest(client: Client) -> None:
    put_cold([of_a := event(user_id="a"), event(user_id="a/events")])
    answer = client.get("/users/a%2Fevents")
    assert ids(answer.json()["events"]) == ids([of_a])


def test_who_is_not_there_is_not_found(client: Client) -> None:
    put_cold([event()])
    put_hot([event()])
    for nobody in ("u2", "U1", "u1 ", "%00", "a%09b", "x" * 201):
        answer = client.get(f"/users/{nobody}/events")
        assert answer.status_code == 404, nobody
        assert answer.json()["detail"] == "There is no such user."


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=", "cursor"),
        ("cursor=abc", "cursor"),
        (f"cursor={encoded('people 1 2')}", "cursor"),
        (f"cursor={encoded(f'after 2026-01-01T00:00:00+00:00 {uuid.UUID(int=1)}')}", "cursor"),
        (f"cursor={encoded('after 2026-01-01T00:00:00+00:00')}", "cursor"),
        (f"cursor={encoded(f'2026-01-01T00:00:00+00:00 {uuid.UUID(int=1)}')}", "cursor"),
        (f"cursor={encoded(f'timeline 2026-01-01T00:00:00 {uuid.UUID(int=1)}')}", "cursor"),
        (f"cursor={encoded('timeline 2026-01-01T00:00:00+00:00 x')}", "cursor"),
        ("user_id=u1", "user_id"),
    ],
)
def test_a_wrong_parameter_is_named(client: Client, query: str, parameter: str) -> None:
    answer = client.get(f"/users/u1/events?{query}")
    assert answer.status_code == 400, answer.content
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


def test_a_cursor_of_a_moment_that_no_event_has_leads_somewhere(client: Client) -> None:
    put_cold([event()])
    for year in ("0001", "1969", "2300", "9999"):
        cursor = encoded(f"timeline {year}-06-01T00:00:00+00:00 {uuid.UUID(int=1)}")
        assert len(page(client, f"cursor={cursor}")["events"]) == (year > "2000"), year


def test_a_project_shows_its_own_events_alone(client: Client) -> None:
    with project("other") as other:
        put_events(other.pk, [theirs := event()])
        put_events(DEFAULT, [mine := event()])
        for asked, one in (("default", mine), ("other", theirs)):
            assert ids(page(client, f"project={asked}")["events"]) == ids([one])
        deliver_all()
        for asked, one in (("default", mine), ("other", theirs)):
            assert ids(page(client, f"project={asked}")["events"]) == ids([one])


def test_without_clickhouse_the_answer_is_503(client: Client, settings: Any) -> None:
    put_hot([event()])
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/nowhere"
    answer = client.get("/users/u1/events")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["detail"] == "ClickHouse can't answer now; try again."


def test_without_an_answer_of_postgresql_it_is_503(client: Client) -> None:
    """Here because the table is locked for longer than anybody may wait."""
    put_cold([event()])
    other = connection.copy()
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE hot_events")
        answer = client.get("/users/u1/events")
    finally:
        other.close()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["detail"] == "PostgreSQL can't be reached."


def test_a_page_waits_for_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    put_cold([event()])
    asked: list[int] = []
    monkeypatch.setattr(room, "need_for_answer", asked.append)
    timeline.timeline(project=DEFAULT, user_id="u1", page=TimelinePage(None, 1_000))
    assert len(asked) == 1
    assert asked[0] > 3 * 1024 * 1024
