"""Who may ask what there is, what is refused by which name, and what becomes of too much."""

import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from analytics import inserting
from projects.models import DEFAULT
from tests import clickhouse as engine
from tests.projects.made_keys import bearer, secret
from tests.projects.made_projects import project
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("stores")

URLS = ("/event-types?x", "/properties?x", "/properties/values?path=a")
RANGE = "from=2025-01-01&to=2025-01-31"


def test_a_wrong_parameter_is_named(client: Client) -> None:
    for query, parameter in [
        *(
            (f"{url[:-2]}?{wrong}", wrong.partition("=")[0])
            for url in URLS[:2]
            for wrong in (
                "from=2025-02-30",
                "from=20250101",
                "from=1969-12-31",
                "from=",
                "to=2100-01-01",
                "to=now",
                "from=2025-01-02&to=2025-01-01",
                "from=2099-12-31",
                "tz=Kyiv",
                "tz=",
                "limit=0",
                "limit=1001",
                "limit=-1",
                "limit=",
                "limit=1e2",
                "prefix=%00",
                "prefix=" + "x" * 1_001,
                "prefix=a&prefix=b",
                "unknown=1",
                "format=xml",
                "segment=event_type:a",
            )
        ),
        ("/event-types?event_type=a", "event_type"),
        ("/event-types?all=true", "all"),
        ("/event-types?path=a", "path"),
        ("/properties?event_type=", "event_type"),
        ("/properties?event_type=%00", "event_type"),
        ("/properties?all=yes", "all"),
        ("/properties?path=a", "path"),
        ("/properties/values", "path"),
        ("/properties/values?path=a&path=b", "path"),
        ("/properties/values?path=a:b", "path"),
        ("/properties/values?path=a=", "path"),
        ("/properties/values?path=" + quote("a\\b"), "path"),
        ("/properties/values?path=%00", "path"),
        ("/properties/values?path=" + "a." * 8 + "a", "path"),
        ("/properties/values?path=" + "a" * 16_400, "path"),
        ("/properties/values?path=a&event_type=", "event_type"),
        ("/properties/values?path=a&limit=0", "limit"),
        ("/properties/values?path=a&all=2", "all"),
    ]:
        answer = client.get(query.replace("?x", "?"))
        assert answer.status_code == 400, answer.content
        assert answer["Content-Type"] == "application/problem+json", (query, parameter)
        assert [error["parameter"] for error in answer.json()["errors"]] == [parameter], (
            query,
            parameter,
        )


def test_a_path_that_can_not_be_read_is_told_where_it_is_wrong(client: Client) -> None:
    [error] = client.get("/properties/values?path=a.b:c").json()["errors"]
    assert error["message"] == (
        r"properties.a.b:c can't be read: a field takes no value; in a key, write \:"
        " (at character 15)"
    )


@pytest.mark.parametrize("url", [url.replace("?x", f"?{RANGE}") for url in URLS])
def test_a_key_needs_the_scope_read(client: Client, settings: Any, url: str) -> None:
    settings.API_KEYS_REQUIRED = True
    for headers, status in [
        ({}, 401),
        (bearer("ea_wrong"), 401),
        (bearer(secret("ingest")), 403),
        (bearer(secret("read")), 200),
    ]:
        assert client.get(url, headers=headers).status_code == status
    assert client.post(url, headers=bearer(secret("read"))).status_code == 405


@pytest.fixture
def other() -> Iterator[int]:
    with project("other") as made:
        yield made.pk


def test_a_project_finds_what_it_has_and_no_other(client: Client, other: int) -> None:
    for number, mark in ((DEFAULT, "mine"), (other, "other's")):
        sent = [event(event_type=mark, properties={mark: mark}) for _ in range(2)]
        token = str(uuid.uuid4())
        inserting.insert_block(project=number, token=token, body=framed(sent))
    for asked, mark in (("project=default", "mine"), ("project=other", "other's")):
        types = client.get(f"/event-types?{asked}").json()["event_types"]
        assert [(row["event_type"], row["events"]) for row in types] == [(mark, 2)]
        [found] = client.get(f"/properties?{asked}").json()["properties"]
        assert found == {"path": mark, "types": ["text"]}
        for path in ("mine", "other's"):
            rows = client.get("/properties/values?" + f"{asked}&path={path}").json()["values"]
            assert rows == ([{"value": mark, "events": 2}] if path == mark else [])
    for url in URLS:
        assert client.get(f"{url.removesuffix('x')}&project=nobody's").status_code == 404


def test_clickhouse_being_gone_is_unavailable(client: Client, settings: Any) -> None:
    settings.CLICKHOUSE_URL = "http://default@127.0.0.1:1/default"
    for url in URLS:
        answer = client.get(url.replace("?x", f"?{RANGE}"))
        assert answer.status_code == 503, json.dumps(answer.json())
        assert "Retry-After" in answer


@pytest.mark.parametrize("url", ["/event-types?tz=Asia/Kathmandu", *URLS[1:]])
def test_a_look_has_the_limits_of_a_report(client: Client, settings: Any, url: str) -> None:
    engine.command(
        "INSERT INTO events (event_id, occurred_at, user_id, event_type, properties_text)"
        " SELECT generateUUIDv4(), toDateTime64('2025-01-06 00:00:00', 3, 'UTC'),"
        """ toString(number), 'view', concat('{"a":"', toString(number), '"}')"""
        " FROM numbers(300000)"
    )
    url = f"{url.removesuffix('x')}&{RANGE}" + ("" if "types" in url else "&all=true")
    settings.CLICKHOUSE_QUERY_ROWS = 299_999
    assert "CLICKHOUSE_QUERY_ROWS" in client.get(url).json()["detail"]
    settings.CLICKHOUSE_QUERY_ROWS = 300_000
    assert client.get(url).status_code == 200
    settings.CLICKHOUSE_QUERY_MEGABYTES = 1
    if "types" not in url:  # a type takes no memory
        assert "CLICKHOUSE_QUERY_MEGABYTES" in client.get(url).json()["detail"]
