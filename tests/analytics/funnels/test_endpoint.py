"""`GET /stats/funnel` and the people behind it, as their clients see them."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from analytics import asking
from tests import clickhouse as engine
from tests.analytics.comparison import deliver
from tests.samples import event, framed

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

RANGE = "from=2026-06-01&to=2026-06-30"
STEPS = "&step=event_type:view&step=event_type:buy"
T0 = datetime(2026, 6, 10, 12, tzinfo=UTC)


def sent(kind: str, seconds: float = 0, user: str = "u1", **properties: Any) -> dict[str, Any]:
    moment = T0 + timedelta(seconds=seconds)
    return {
        "occurred_at": moment.isoformat(timespec="milliseconds"),
        "user_id": user,
        "event_type": kind,
        "properties": properties,
    }


def asked(client: Client, query: str, path: str = "funnel") -> Any:
    answer = client.get(f"/stats/{path}?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def users(client: Client, query: str) -> list[int]:
    return [step["users"] for step in asked(client, query)["steps"]]


def people(client: Client, query: str) -> list[str]:
    found = asked(client, query, "funnel/users")
    assert found["total"] == len(found["users"])
    return sorted(user["user_id"] for user in found["users"])


def test_a_funnel_says_how_many_came_how_far_and_how_fast(client: Client) -> None:
    deliver(
        [
            *(sent("view", 0, user) for user in ("u1", "u2", "u3")),
            *(sent("buy", 60, "u1"), sent("buy", 77.5, "u2")),
        ],
        blocks=2,
    )
    assert asked(client, RANGE + STEPS) == {
        "steps": [
            {"step": 1, "users": 3},
            {
                "step": 2,
                "users": 2,
                "of_first": 66.7,
                "of_previous": 66.7,
                "median_seconds": 68.75,
            },
        ],
        "window_seconds": 86400,
        "complete": True,
    }


# The window is 10 seconds.
@pytest.mark.parametrize(
    ("history", "reached"),
    [
        ([("a", 1), ("b", 2), ("a", 3), ("b", 4), ("c", 12)], 3),
        ([("a", 1), ("b", 2), ("a", 8), ("c", 12)], 2),
        ([("a", 0), ("b", 5), ("c", 10)], 3),
        ([("a", 0), ("b", 5), ("c", 10.001)], 2),
        ([("c", 0), ("b", 1), ("a", 2)], 1),
    ],
)
def test_the_window_begins_with_the_newest_entry(
    client: Client, history: list[tuple[str, float]], reached: int
) -> None:
    deliver([sent(kind, at) for kind, at in history], blocks=1)
    steps = "&step=event_type:a&step=event_type:b&step=event_type:c&window=10s"
    assert sum(users(client, RANGE + steps)) == reached


@pytest.mark.parametrize(
    ("order", "reached"), [("ordered", [1, 1, 1]), ("strict", [1, 1, 0]), ("any", [2, 1, 1])]
)
def test_each_order_of_steps(client: Client, order: str, reached: list[int]) -> None:
    deliver(
        [
            *(sent("a", 0), sent("b", 1), sent("x", 2), sent("c", 3)),
            sent("c", 0, "u2"),
        ],
        blocks=1,
    )
    query = f"{RANGE}&step=event_type:a&step=event_type:b&step=event_type:c&order={order}"
    assert users(client, query) == reached
    # What the segments leave out does not come between two steps.
    assert users(client, f"{query}&segment=not(event_type):x")[2] == 1


def test_an_event_is_one_step_of_an_ordered_funnel_and_several_of_any(client: Client) -> None:
    steps = "&step=event_type:a&step=event_type:a&step=set(event_type)"
    deliver([sent("a"), sent("a", 0, "u2"), sent("a", 0, "u2"), sent("b", 0, "u2")], blocks=1)
    assert users(client, RANGE + steps) == [2, 1, 1]
    assert users(client, f"{RANGE}{steps}&order=any") == [2, 2, 2]


def test_events_of_one_millisecond_are_in_the_order_of_their_steps(client: Client) -> None:
    deliver([sent("buy"), sent("view")], blocks=2)
    assert users(client, RANGE + STEPS) == [1, 1]
    assert users(client, f"{RANGE}&step=event_type:buy&step=event_type:view") == [1, 1]


def test_the_first_moment_of_all_is_an_entry_like_any_other(client: Client) -> None:
    moments = ["1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.001Z"]
    kinds = ["view", "buy"]
    deliver(
        [
            {"occurred_at": at, "user_id": "u1", "event_type": kind, "properties": {}}
            for at, kind in zip(moments, kinds, strict=True)
        ],
        blocks=1,
    )
    for order in ("ordered", "strict", "any"):
        query = f"from=1970-01-01&to=1970-01-02{STEPS}&order={order}"
        assert users(client, query) == [1, 1]


def test_later_steps_may_lie_behind_the_range_and_the_first_may_not(client: Client) -> None:
    last = datetime(2026, 6, 10, 23, 59, 59, tzinfo=UTC)
    early, late = (last - T0).total_seconds(), (last - T0).total_seconds() + 86_400
    deliver(
        [
            *(sent("view", early), sent("buy", late)),
            *(sent("view", early + 1, "u2"), sent("buy", late, "u2")),
            *(sent("view", early, "u3"), sent("buy", late + 0.001, "u3")),
        ],
        blocks=1,
    )
    assert users(client, f"from=2026-06-10&to=2026-06-10{STEPS}") == [2, 1]
    # In Kyiv the day ends three hours earlier.
    assert users(client, f"from=2026-06-10&to=2026-06-10{STEPS}&tz=Europe/Kyiv") == [0, 0]


def test_a_funnel_is_complete_when_all_windows_have_ended(client: Client) -> None:
    today = datetime.now(UTC).date()
    for days, window, is_complete in [(3, "1d", True), (3, "30d", False), (0, "1s", False)]:
        day = today - timedelta(days=days)
        found = asked(client, f"from={day}&to={day}{STEPS}&window={window}")
        assert found["complete"] is is_complete


def test_a_breakdown_is_by_the_value_of_the_first_entry(client: Client) -> None:
    deliver(
        [
            *(sent("view", 0, country="UA"), sent("view", 1, country="DE"), sent("buy", 2)),
            *(sent("view", 0, "u2", country="UA"), sent("view", 0, "u3", country="DE")),
            *(sent("view", 0, "u4"), sent("view", 1, "u4", country="PL"), sent("buy", 2, "u4")),
            sent("view", 0, "u5", country="=1+1"),
        ],
        blocks=2,
    )
    query = f"{RANGE}{STEPS}&by=properties.country&top=1"
    found = asked(client, query)
    lines = [(line["value"], [step["users"] for step in line["steps"]]) for line in found["values"]]
    assert lines == [("UA", [2, 1]), (None, [1, 1])]
    assert [step["users"] for step in found["other"]["steps"]] == [2, 0]
    assert [step["users"] for step in found["steps"]] == [5, 2]
    assert people(client, f"{query}&value=UA&dropped=2") == ["u2"]
    assert people(client, f"{query}&line=unset&reached=2") == ["u4"]
    assert people(client, f"{query}&line=other") == ["u3", "u5"]
    table = client.get(f"/stats/funnel?{query}&top=50&format=csv".replace("&top=1", ""))
    assert table.content.decode().splitlines()[:4] == [
        "value,kind,step,users,of_first,of_previous,median_seconds",
        ",all users,1,5,,,",
        ",all users,2,2,40.0,40.0,1.0",
        "UA,,1,2,,,",
    ]
    assert "'=1+1,,1,1,,," in table.content.decode()


def test_a_step_joins_conditions_and_a_comma_may_stand_in_one(client: Client) -> None:
    deliver(
        [
            *(sent("a,b", 0, plan=3), sent("buy", 1, plan=3)),
            *(sent("a,b", 0, "u2", plan=4), sent("buy", 1, "u2", plan=3)),
        ],
        blocks=1,
    )
    steps = [r"event_type:a\,b,properties.plan:3", r"in(event_type):x\,buy,properties.plan:3"]
    query = "".join(f"&step={quote(step)}" for step in steps)
    assert users(client, RANGE + query) == [1, 1]


def test_a_user_of_many_events_among_others(client: Client) -> None:
    rng = random.Random(3)
    kinds = ["view", "view", "buy", "x"]
    many = [sent(rng.choice(kinds), n / 1000, "robot") for n in range(20_000)]
    deliver([sent("view"), sent("buy", 1), sent("view", 0, "u2")], blocks=1)
    for part in (many[:10_000], many[10_000:]):
        body = framed([event(**one) for one in part])
        engine.insert_block(token=str(uuid.uuid4()), body=body)
    for order, reached in [("ordered", [3, 2]), ("strict", [3, 2]), ("any", [3, 2])]:
        assert users(client, f"{RANGE}{STEPS}&order={order}") == reached


def test_people_who_came_and_who_dropped_out(client: Client) -> None:
    deliver([sent("view"), sent("buy", 1), sent("view", 0, "u2"), sent("buy", 0, "u3")], blocks=1)
    query = RANGE + STEPS
    assert people(client, query) == people(client, f"{query}&reached=1") == ["u1", "u2"]
    assert people(client, f"{query}&reached=2") == ["u1"]
    assert people(client, f"{query}&dropped=2") == ["u2"]
    first = asked(client, f"{query}&limit=1", "funnel/users")
    second = asked(client, f"{query}&limit=1&cursor={first['next']}", "funnel/users")
    assert [first["total"], second["total"], second["next"]] == [2, 2, None]
    assert [page["users"][0]["user_id"] for page in (first, second)] == ["u1", "u2"]


def test_a_project_without_events_has_an_empty_funnel(client: Client) -> None:
    assert [step.get("median_seconds") for step in asked(client, RANGE + STEPS)["steps"]] == [
        None,
        None,
    ]
    found = asked(client, f"{RANGE}{STEPS}&by=event_type")
    assert (found["values"], found["steps"][1]["of_first"]) == ([], None)
    assert people(client, RANGE + STEPS) == []


STEP = "&step=event_type:a"


def test_each_wrong_parameter_is_named(client: Client) -> None:
    for query, parameter in [
        ("", "step"),
        (STEP, "step"),
        (STEP * 11, "step"),
        (f"{STEP}&step=", "step"),
        (f"{STEP}&step=event_type:a,", "step"),
        (f"{STEP}&step=nonsense", "step"),
        (f"{STEP}&step=match(user_id):(", "step"),
        (f"{STEP}&step=saved(nobody's)", "step"),
        (STEP * 2 + "&window=0s", "window"),
        (STEP * 2 + "&window=3660d", "window"),
        (STEP * 2 + "&window=99999999w", "window"),
        (STEP * 2 + "&window=1", "window"),
        (STEP * 2 + "&window=-1d", "window"),
        (STEP * 2 + "&window=1.5h", "window"),
        (STEP * 2 + "&window=1M", "window"),
        (STEP * 2 + "&order=random", "order"),
        (STEP * 2 + "&by=user_id", "by"),
        (STEP * 2 + "&by=country", "by"),
        (STEP * 2 + "&top=0", "top"),
        (STEP * 2 + "&top=51", "top"),
        (STEP * 2 + "&from=2026-07-01", "from"),
        (STEP * 2 + "&reached=1", "reached"),
        (STEP * 2 + "&segment=nonsense", "segment"),
        (STEP * 2 + "&tz=Mars/Olympus", "tz"),
        (STEP * 2 + "&format=xml", "format"),
    ]:
        given = "to=2026-06-30" if "from=" in query else RANGE
        answer = client.get(f"/stats/funnel?{given}{query}")
        assert answer.status_code == 400, (query, parameter)
        assert parameter in {error["parameter"] for error in answer.json()["errors"]}, (
            query,
            parameter,
        )


def test_each_wrong_parameter_of_its_people_is_named(client: Client) -> None:
    for query, parameter in [
        ("&reached=3", "reached"),
        ("&reached=0", "reached"),
        ("&dropped=1", "dropped"),
        ("&dropped=3", "dropped"),
        ("&reached=2&dropped=2", "dropped"),
        ("&value=UA", "value"),
        ("&line=other", "line"),
        ("&by=event_type&line=all", "line"),
        ("&by=event_type&line=other&value=a", "line"),
        ("&limit=0", "limit"),
        ("&limit=1001", "limit"),
        ("&cursor=nonsense", "cursor"),
    ]:
        answer = client.get(f"/stats/funnel/users?{RANGE}{STEPS}{query}")
        assert answer.status_code == 400, (query, parameter)
        assert parameter in {error["parameter"] for error in answer.json()["errors"]}, (
            query,
            parameter,
        )


def test_a_wrong_step_says_which_one_it_is(client: Client) -> None:
    answer = client.get(f"/stats/funnel?{RANGE}{STEP}&step=event_type:a,plan:3")
    [error] = answer.json()["errors"]
    assert error["message"].startswith(
        "step 2, where a comma joins conditions and `\\,` is a comma"
    )
    assert "the field must be event_type, user_id or" in error["message"]
    answer = client.get(f"/stats/funnel?{RANGE}{STEP}&step=plan:3")
    assert answer.json()["errors"][0]["message"].startswith("step 2: the field must be")


def test_steps_that_contradict_are_reached_by_nobody(client: Client) -> None:
    deliver([sent("a"), sent("b", 1)], blocks=1)
    steps = "&step=event_type:a,event_type:b&step=event_type:b"
    assert users(client, RANGE + steps) == [0, 0]
    assert users(client, f"{RANGE}{steps}&order=any") == [1, 0]


def test_a_funnel_over_its_memory_says_what_to_narrow(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = asking._limits
    monkeypatch.setattr(asking, "_limits", lambda: {**limits(), "max_memory_usage": 200_000})
    deliver([sent("view", n, f"u{n}") for n in range(2_000)], blocks=1)
    answer = client.get(f"/stats/funnel?{RANGE}{STEPS}")
    assert answer.status_code == 503
    assert (
        "a shorter window, or steps and segments that match fewer events" in answer.json()["detail"]
    )
