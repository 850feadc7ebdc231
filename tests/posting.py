"""Events sent to `/events` as its clients send them."""

import json
from typing import Any

from django.test import Client


def post(client: Client, body: Any, query: str = "", **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(f"/events{query}", data, content_type="application/json", headers=headers)
