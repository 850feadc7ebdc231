"""Events sent to `/events` as its clients send them."""

import json
from typing import Any

from django.test import Client

from tests.samples import event


def post(client: Client, body: Any, query: str = "", **headers: str) -> Any:
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post(f"/events{query}", data, content_type="application/json", headers=headers)


def post_some(client: Client, count: int = 1, query: str = "") -> Any:
    """So many valid events."""
    return post(client, [event() for _ in range(count)], query)


def post_taken(client: Client, events: list[dict[str, Any]], query: str = "") -> dict[str, Any]:
    """What is said of events that are taken."""
    answer = post(client, events, query)
    assert answer.status_code in (200, 202), answer.content
    return dict(answer.json())
