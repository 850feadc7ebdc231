"""Events for trends, and what is asked about them."""

from typing import Any

from django.test import Client

RANGE = "from=2026-11-01&to=2026-11-03"


def sent(day: str, user: str = "u1", kind: str = "buy", **properties: Any) -> dict[str, Any]:
    return {
        "occurred_at": f"{day}T12:00:00Z",
        "user_id": user,
        "event_type": kind,
        "properties": properties,
    }


def asked(client: Client, query: str, report: str = "trends") -> Any:
    answer = client.get(f"/stats/{report}?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def values(line: dict[str, Any]) -> list[Any]:
    return [point["value"] for point in line["points"]]
