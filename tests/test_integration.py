"""From a request to the three answers, through every store."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from tests.events.queueing.workers import worker
from tests.posting import post_taken
from tests.samples import event
from tests.stored import deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("stores")


def at_noon(days_ago: int) -> str:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return (noon - timedelta(days=days_ago)).isoformat()


def day(days_ago: int) -> str:
    return at_noon(days_ago)[:10]


def test_events_sent_over_http_are_counted_in_all_three_answers(client: Client) -> None:
    came_twice = [event(user_id="anna", occurred_at=at_noon(ago)) for ago in (14, 7)]
    bought = event(user_id="boris", event_type="purchase", occurred_at=at_noon(14))
    post_taken(client, [*came_twice, bought], "?wait=true")
    deliver_all()
    span = f"from={day(14)}&to={day(7)}"
    users = [row["unique_users"] for row in client.get(f"/stats/dau?{span}").json()]
    assert users == [2, 0, 0, 0, 0, 0, 0, 1]
    assert client.get(f"/stats/top-events?{span}").json() == [
        {"event_type": "page_view", "count": 2},
        {"event_type": "purchase", "count": 1},
    ]
    [cohort] = client.get(f"/stats/retention?start_date={day(21)}&windows=1").json()
    assert (cohort["week_0"], cohort["week_1"]) == (2, 50.0)


def test_what_the_queue_took_reaches_both_layers(client: Client) -> None:
    sent = [event(user_id=f"u{n}", occurred_at=at_noon(1)) for n in range(2500)]
    path = f"/stats/dau?from={day(1)}&to={day(1)}"
    with worker():
        post_taken(client, sent)
        wait_until(lambda: client.get(path).json()[0]["unique_users"] == 2500, seconds=60)
    recent = client.get("/events?user_id=u7").json()["events"]
    assert [row["event_id"] for row in recent] == [sent[7]["event_id"]]


def test_the_openapi_document_lists_every_path(client: Client) -> None:
    document = client.get("/openapi.json").json()
    assert {"/events", "/stats/dau", "/stats/top-events", "/stats/retention"} <= set(
        document["paths"]
    )
    for path in ("/stats/dau", "/events"):
        answers = document["paths"][path]["get"]["responses"]
        assert {"200", "400", "429", "503"} <= set(answers)
    page = client.get("/docs").content.decode()
    assert "https://" not in page.replace("https://spec.openapis.org", "")
