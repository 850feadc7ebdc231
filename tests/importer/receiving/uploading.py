"""Uploads of the tests: files made up, sent, and asked about."""

from typing import Any

from django.test import Client

from tests.importer.importing import rows_of

HEADER = "event_id,occurred_at,user_id,event_type,properties\n"


def csv_of(count: int) -> bytes:
    lines = [
        f'{row[0]},{row[1]},{row[2]},{row[3]},"{{""country"": ""UA""}}"\n' for row in rows_of(count)
    ]
    return (HEADER + "".join(lines)).encode()


def post(
    client: Client, body: bytes, query: str = "", **headers: str
) -> tuple[int, dict[str, Any]]:
    answer = client.post(
        f"/imports{query}", body, content_type="application/octet-stream", headers=headers
    )
    return answer.status_code, answer.json()


def shown(client: Client, href: str) -> dict[str, Any]:
    answer = client.get(href)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found
