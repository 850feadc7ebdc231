"""`GET /users` and `GET /users/{id}`: by whom, with what, and what is refused by which name."""

import csv
import io
import json
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from analytics import clickhouse
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.projects.made_keys import bearer, secret
from tests.projects.made_projects import project
from tests.samples import event, framed, moment
from tests.web_server import Web

pytestmark = pytest.mark.usefixtures("stores")

AT = "2025-01-06T12:00:00.000Z"
# What an id may have. A client encodes it; the address is decoded before it is looked at.
ODD_IDS = [
    *("a/b", "/", "a/", "//a", "a%2Fb", "50%", "%", "a b", " a", "a?b", "?", "a#b", "a&b=c"),
    *(
        "😀",
        "Олена",
        "é",
        "e\N{COMBINING ACUTE ACCENT}",
        "..",
        ".",
        "a'b",
        'a"b',
        "a\\b",
        "\\",
        "+",
    ),
    *("{user:String}", "%ff", "a;b", "events", "events/", "/events/x", "x" * 200, "я" * 200),
]


def put(*users: str, at: str = AT, project: int = DEFAULT, **fields: Any) -> None:
    sent = [event(user_id=user, occurred_at=at, **fields) for user in users]
    engine.insert_block(project=project, token=str(uuid.uuid4()), body=framed(sent))


def get(client: Client, query: str = "") -> Any:
    answer = client.get(f"/users?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def ids(page: Any) -> list[str]:
    return [user["user_id"] for user in page["users"]]


def test_users_come_newest_first_page_by_page(client: Client) -> None:
    for n in range(5):
        put(f"u{n}", at=f"2025-01-0{n + 1}T00:00:00.000Z")
    put("u0", at="2025-02-01T00:00:00.123Z")
    first = get(client, "limit=2")
    assert first["total"] == 5
    assert first["users"][0] == {
        "user_id": "u0",
        "first_seen": "2025-01-01T00:00:00.000Z",
        "last_seen": "2025-02-01T00:00:00.123Z",
    }
    second = get(client, f"limit=2&cursor={first['next']}")
    third = get(client, f"limit=2&cursor={second['next']}")
    assert ids(first) + ids(second) + ids(third) == ["u0", "u4", "u3", "u2", "u1"]
    assert third["next"] is None


def test_any_id_is_found_by_its_prefix_and_by_its_address(client: Client) -> None:
    put("other", *ODD_IDS)
    for odd in ODD_IDS:
        found = ids(get(client, f"prefix={quote(odd, safe='')}"))
        assert {*found} == {it for it in ODD_IDS if it.startswith(odd)}
        answer = client.get(f"/users/{quote(odd, safe='')}")
        assert answer.status_code == 200, answer.content
        assert answer.json() == {
            "user_id": odd,
            "first_seen": AT,
            "last_seen": AT,
            "events": 1,
            "event_types": [{"event_type": "page_view", "events": 1}],
        }


def test_any_id_comes_through_the_web_server(web: Web) -> None:
    asked_for = [it for it in ODD_IDS if {*it} & {*"/%?#&+.;\\ я"}]
    put(*asked_for)
    for odd in asked_for:
        asked = HTTPConnection("127.0.0.1", web.port)
        asked.request("GET", f"/users/{quote(odd, safe='')}")
        answer = asked.getresponse()
        assert (answer.status, json.load(answer).get("user_id")) == (200, odd)
        asked.close()


def test_slashes_need_not_be_encoded(client: Client) -> None:
    put("a/b/c")
    assert client.get("/users/a/b/c").json()["user_id"] == "a/b/c"


def test_who_is_not_there_is_not_found(client: Client) -> None:
    put("u1")
    for nobody in ["u2", "U1", "u1 ", "u", "%00", "a%09b", "%FF", "x" * 201]:
        answer = client.get(f"/users/{nobody}")
        assert answer.status_code == 404, nobody
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"] == "There is no such user."


def test_a_user_is_told_with_counts_by_type_most_frequent_first(client: Client) -> None:
    for kind, count in (("b", 2), ("a", 2), ("c", 3)):
        put(*["u1"] * count, event_type=kind)
    put("u1", event_type="c", at="1970-01-01T00:00:00.000Z")
    put("u1", event_type="a", at=(soon := moment(hours=-23).replace("+00:00", "Z")))
    put("u2", event_type="d")
    told = client.get("/users/u1").json()
    assert [*told["event_types"][0].values()] == ["c", 4]
    assert [[*it.values()] for it in told["event_types"][1:]] == [["a", 3], ["b", 2]]
    assert (told["events"], told["first_seen"]) == (9, "1970-01-01T00:00:00.000Z")
    assert told["last_seen"] == soon


def test_of_very_many_types_the_first_are_told_and_all_events_are_counted(client: Client) -> None:
    sent = [event(event_type=f"t{n}", occurred_at=AT) for n in range(1_001)]
    engine.insert_block(token="many", body=framed(sent))
    told = client.get("/users/u1").json()
    assert (len(told["event_types"]), told["events"]) == (1_000, 1_001)


def test_events_of_1970_and_of_the_future_are_seen(client: Client) -> None:
    put("future", at=(soon := moment(hours=-23).replace("+00:00", "Z")))
    put("past", at="1970-01-01T00:00:00.000Z")
    everyone = get(client)
    assert [(it["user_id"], it["last_seen"]) for it in everyone["users"]] == [
        ("future", soon),
        ("past", "1970-01-01T00:00:00.000Z"),
    ]
    assert ids(get(client, "segment=user_id:past")) == ["past"]
    assert ids(get(client, f"from=1970-01-01&to={soon[:10]}")) == ["future", "past"]


def test_segments_and_days_say_which_events_are_meant(client: Client) -> None:
    put("a", event_type="buy", properties={"plan": 42})
    put("b", event_type="view")
    put("b", event_type="buy", at="2025-02-01T00:00:00.000Z")
    for query, users in [
        ("segment=event_type:buy", ["b", "a"]),
        ("segment=event_type:buy&to=2025-01-31", ["a"]),
        ("segment=event_type:buy&from=2025-01-07", ["b"]),
        ("segment=properties.plan:42", ["a"]),
        ("or.1=properties.plan:42&or.1=event_type:view", ["b", "a"]),
        ("segment=did(view)&from=2025-02-01", ["b"]),
        ("segment=did(view,7d)&to=2025-02-01", []),
        ("segment=didnot(view)", ["a"]),
        ("from=2025-01-07", ["b"]),
        ("to=2025-01-06", ["b", "a"]),
        ("to=2025-01-06&tz=Pacific/Auckland", []),
        ("to=2025-01-07&tz=Pacific/Auckland", ["b", "a"]),
        ("segment=event_type:buy&prefix=a", ["a"]),
    ]:
        page = get(client, query)
        assert (ids(page), page["total"]) == (users, len(users)), query
    # Their first and last moments are those of all their events.
    [b] = get(client, "segment=event_type:buy&from=2025-01-07")["users"]
    assert b["first_seen"] == AT


def test_a_table_has_the_page_and_says_where_the_next_one_is(client: Client) -> None:
    put("a", "=1+1")
    rows = list[dict[str, str]]()
    address: str | None = "?format=csv&limit=1&prefix="
    while address:
        answer = client.get(f"/users{address}")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"] == 'attachment; filename="users.csv"'
        rows += csv.DictReader(io.StringIO(answer.content.decode()))
        link = answer.headers.get("Link")
        address = link and link.removeprefix("<").removesuffix('>; rel="next"')
    assert sorted(it["user_id"] for it in rows) == ["'=1+1", "a"]
    assert rows[0].keys() == {"user_id", "first_seen", "last_seen"}


def test_a_project_without_events_has_nobody(client: Client) -> None:
    assert get(client) == {"total": 0, "users": [], "next": None}
    assert get(client, "segment=event_type:buy") == {"total": 0, "users": [], "next": None}
    assert client.get("/users?format=csv").content == b"user_id,first_seen,last_seen\r\n"
    assert client.get("/users/u1").status_code == 404


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_wrong_parameter_is_named(client: Client) -> None:
    for query, parameter in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("cursor=", "cursor"),
        ("cursor=abc", "cursor"),
        ("cursor=now", "cursor"),
        (f"cursor={encoded('2026-01-01T00:00:00+00:00 ' + str(uuid.UUID(int=1)))}", "cursor"),
        (f"cursor={encoded('after 2026-01-01T00:00:00+00:00')}", "cursor"),
        ("prefix=%00", "prefix"),
        ("prefix=" + "x" * 201, "prefix"),
        ("prefix=" + "x" * 65_536, "prefix"),
        ("prefix=a&prefix=b", "prefix"),
        ("from=yesterday", "from"),
        ("from=1969-12-31", "from"),
        ("to=2100-01-01", "to"),
        ("from=2025-01-02&to=2025-01-01", "from"),
        ("from=2099-12-31&segment=event_type:a", "from"),
        ("tz=Kyiv", "tz"),
        ("format=xml", "format"),
        ("segment=nothing", "segment"),
        ("or.2=gt(properties.a):b", "or.2"),
        ("unknown=1", "unknown"),
    ]:
        answer = client.get(f"/users?{query}")
        assert answer.status_code == 400, answer.content
        assert answer["Content-Type"] == "application/problem+json", (query, parameter)
        assert [error["parameter"] for error in answer.json()["errors"]] == [parameter], (
            query,
            parameter,
        )


def test_a_user_is_asked_for_without_parameters(client: Client) -> None:
    [error] = client.get("/users/u1?tz=UTC").json()["errors"]
    assert error["parameter"] == "tz"


@pytest.fixture
def other() -> Iterator[int]:
    with project("other") as made:
        yield made.pk


def test_a_project_has_its_own_people_alone(client: Client, other: int) -> None:
    put("mine")
    put("other's", project=other)
    for asked, user, stranger in (("default", "mine", "other's"), ("other", "other's", "mine")):
        assert ids(get(client, f"project={asked}")) == [user]
        assert client.get(f"/users/{user}?project={asked}").status_code == 200
        assert client.get(f"/users/{stranger}?project={asked}").status_code == 404
    assert client.get("/users?project=none").status_code == 404


@pytest.mark.parametrize("url", ["/users", "/users/u1"])
def test_a_key_needs_the_scope_read(client: Client, settings: Any, url: str) -> None:
    put("u1")
    settings.API_KEYS_REQUIRED = True
    for headers, status in [
        ({}, 401),
        (bearer("ea_wrong"), 401),
        (bearer(secret("ingest")), 403),
        (bearer(secret("read")), 200),
    ]:
        assert client.get(url, headers=headers).status_code == status
    assert client.post(url, headers=bearer(secret("read"))).status_code == 405


@pytest.mark.parametrize("url", ["/users", "/users?segment=event_type:a", "/users/u1"])
def test_without_clickhouse_the_answer_is_503(
    client: Client, url: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/nowhere"
    answer = client.get(url)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer.json()["detail"] == "ClickHouse can't answer now; try again."


def test_what_is_over_a_limit_is_told(client: Client, settings: Any) -> None:
    put("u1", "u2")
    settings.CLICKHOUSE_QUERY_ROWS = 1
    for url in ("/users", "/users/u1"):
        answer = client.get(url)
        assert answer.status_code == 503
        assert "CLICKHOUSE_QUERY_ROWS" in answer.json()["detail"]


def test_rows_that_were_not_merged_yet_are_one_user(client: Client) -> None:
    for n in range(3):
        put("u1", at=f"2025-01-0{n + 1}T00:00:00.000Z")
    assert clickhouse.query("SELECT count() > 1 FROM users", project=DEFAULT) == [[True]]
    assert get(client)["total"] == 1
