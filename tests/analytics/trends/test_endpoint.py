"""`GET /stats/trends` and `/stats/active-days` as their clients see them."""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from analytics import asking as analytics_asking
from analytics import clickhouse
from analytics.trends import asking
from tests.analytics.comparison import deliver
from tests.analytics.trends.asking import RANGE, asked, sent, values
from tests.projects.made_projects import project

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")


def test_users_of_each_day_are_what_is_asked_without_more(client: Client) -> None:
    deliver([sent("2026-11-01"), sent("2026-11-01", "u2"), sent("2026-11-03")], blocks=1)
    answer = asked(client, RANGE)
    assert answer == {
        "unit": "day",
        "tz": "UTC",
        "from": "2026-11-01",
        "to": "2026-11-03",
        "series": [
            {
                "series": None,
                "value": None,
                "total": 2,
                "points": [
                    {"start": day, "end": day, "value": count, "complete": True}
                    for day, count in [("2026-11-01", 2), ("2026-11-02", 0), ("2026-11-03", 1)]
                ],
            }
        ],
    }


def test_a_user_of_several_inserts_is_one_of_each_day_and_of_the_range(client: Client) -> None:
    for _ in range(3):
        deliver([sent("2026-11-01"), sent("2026-11-01", "u2"), sent("2026-11-02")], blocks=1)
    [line] = asked(client, RANGE)["series"]
    assert (values(line), line["total"]) == ([2, 1, 0], 2)


def test_purchases_by_country_with_their_sum(client: Client) -> None:
    deliver(
        [
            sent("2026-11-01", country="UA", amount=0.1),
            sent("2026-11-01", "u2", country="UA", amount="0.2"),
            sent("2026-11-02", "u3", country="DE", amount=5),
            sent("2026-11-02", "u3", country="FR", amount=1),
            sent("2026-11-03", "u4", amount=1),
            sent("2026-11-03", "u4", "view", country="UA", amount=100),
            # The first moment that is too late, and the last one that is too early.
            {**sent("", country="DE", amount=1_000), "occurred_at": "2026-11-04T00:00:00Z"},
            {**sent("", country="DE", amount=1_000), "occurred_at": "2026-10-31T23:59:59.999Z"},
        ],
        blocks=1,
    )
    query = f"{RANGE}&measure=sum(properties.amount)&by=properties.country&top=2"
    answer = asked(client, f"{query}&segment=event_type:buy")
    shown = [(line["value"], line["total"], values(line)) for line in answer["series"]]
    assert shown == [("DE", 5, [0, 5, 0]), ("FR", 1, [0, 1, 0]), (None, 1, [0, 0, 1])]
    assert (answer["other"]["total"], answer["other"]["values"]) == (0.3, 2)
    assert answer["by"] == "properties.country"
    assert b'"total":0.3' in client.get(f"/stats/trends?{query}&segment=event_type:buy").content


def test_several_series_are_lines_of_one_answer(client: Client) -> None:
    deliver([sent("2026-11-01"), sent("2026-11-02", kind="view")], blocks=1)
    query = f"{RANGE}&measure=events&series=event_type:buy&series=not(event_type):buy"
    lines = asked(client, query)["series"]
    assert [(line["series"], values(line)) for line in lines] == [
        ("event_type:buy", [1, 0, 0]),
        ("not(event_type):buy", [0, 1, 0]),
    ]


def test_the_range_is_compared_with_the_days_before_it_and_a_year_before(client: Client) -> None:
    deliver([sent("2026-11-01"), sent("2026-10-30"), sent("2025-11-03")], blocks=1)
    before = asked(client, f"{RANGE}&compare=previous")["compare"]
    assert (before["from"], before["to"]) == ("2026-10-29", "2026-10-31")
    assert values(before["series"][0]) == [0, 1, 0]
    year = asked(client, f"{RANGE}&compare=year")["compare"]
    assert (year["from"], year["to"]) == ("2025-11-01", "2025-11-03")
    assert values(year["series"][0]) == [0, 0, 1]


def test_a_running_range_is_compared_with_as_many_days(client: Client) -> None:
    today = datetime.now(UTC).date()
    start, end = today - timedelta(days=2), today + timedelta(days=20)
    answer = asked(client, f"from={start}&to={end}&compare=previous")
    compared = answer["compare"]
    first = start - timedelta(days=23)
    assert (compared["from"], compared["to"]) == (str(first), str(first + timedelta(days=2)))
    assert [point["complete"] for point in answer["series"][0]["points"]] == [True] * 2 + [
        False
    ] * 21


def test_a_range_that_has_not_begun_is_compared_with_its_first_day(client: Client) -> None:
    start = datetime.now(UTC).date() + timedelta(days=5)
    answer = asked(client, f"from={start}&to={start + timedelta(days=2)}&compare=previous")
    compared = answer["compare"]
    assert compared["from"] == compared["to"] == str(start - timedelta(days=3))
    assert len(compared["series"][0]["points"]) == 1


def test_an_hour_that_comes_twice_is_two_buckets(client: Client) -> None:
    kyiv = {
        "occurred_at": "2026-10-25T00:30:00Z",
        "user_id": "u1",
        "event_type": "buy",
        "properties": {},
    }
    deliver([kyiv, {**kyiv, "occurred_at": "2026-10-25T01:30:00Z"}], blocks=1)
    query = "from=2026-10-25&to=2026-10-25&unit=hour&tz=Europe/Kyiv&measure=events"
    [line] = asked(client, query)["series"]
    assert len(line["points"]) == 25
    assert [(point["start"], point["value"]) for point in line["points"][2:6]] == [
        ("2026-10-25T02:00+03:00", 0),
        ("2026-10-25T03:00+03:00", 1),
        ("2026-10-25T03:00+02:00", 1),
        ("2026-10-25T04:00+02:00", 0),
    ]


@pytest.mark.parametrize(
    ("zone", "moment", "hour"),
    [
        ("Asia/Kathmandu", "2026-11-01T10:20:00Z", "2026-11-01T16:00+05:45"),
        ("Asia/Kathmandu", "2026-11-01T10:14:59Z", "2026-11-01T15:00+05:45"),
        ("UTC", "2026-11-01T13:59:59.999Z", "2026-11-01T13:00+00:00"),
    ],
)
def test_an_hour_is_that_of_the_clock_of_the_zone(
    client: Client, zone: str, moment: str, hour: str
) -> None:
    deliver([{**sent("2026-11-01"), "occurred_at": moment}], blocks=1)
    query = f"from=2026-11-01&to=2026-11-01&unit=hour&tz={zone}&measure=events"
    [line] = asked(client, query)["series"]
    assert [point["start"] for point in line["points"] if point["value"]] == [hour]


def test_weeks_that_the_range_cuts_say_so(client: Client) -> None:
    query = "from=2026-11-04&to=2026-11-17&unit=week&measure=events"
    [line] = asked(client, query)["series"]
    assert [(point["start"], point["end"], point["complete"]) for point in line["points"]] == [
        ("2026-11-04", "2026-11-08", False),
        ("2026-11-09", "2026-11-15", True),
        ("2026-11-16", "2026-11-17", False),
    ]


def test_a_user_is_active_for_thirty_days_once(client: Client) -> None:
    deliver([sent("2026-11-01"), sent("2026-11-20")], blocks=1)
    query = "from=2026-10-30&to=2026-12-21&measure=users_30d"
    [line] = asked(client, query)["series"]
    active = [point["start"] for point in line["points"] if point["value"]]
    assert (active[0], active[-1], len(active)) == ("2026-11-01", "2026-12-19", 49)
    assert {point["value"] for point in line["points"]} == {0, 1}
    assert line["total"] == 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1]),
        ("&segment=event_type:buy", [1, 1]),
        ("&segment=properties.plan:pro", [1, 1]),
        ("&segment=did(view)", [0, 0]),
        ("&unit=month", [1]),
        ("&unit=month&segment=event_type:buy", [2]),
        ("&tz=America/New_York&segment=event_type:buy", [1, 1]),
    ],
)
def test_a_user_is_new_in_the_bucket_of_the_first_event_that_matches(
    client: Client, query: str, expected: list[int]
) -> None:
    bought = [("2026-11-03", "seen"), ("2026-11-04", "seen"), ("2026-11-04", "new")]
    deliver([sent(*it, plan="pro") for it in [*bought, ("2026-11-04", "old")]], blocks=1)
    # What comes late may be older. This is Monday of the same week, and a week before.
    deliver([sent("2026-11-02", "seen", "view"), sent("2026-10-26", "old", plan="pro")], blocks=1)
    asked_for = f"from=2026-11-03&to=2026-11-04&measure=new_users{query}"
    [line] = asked(client, asked_for)["series"]
    assert (values(line), line["total"]) == (expected, sum(expected))


def test_who_came_on_the_last_day_of_1969_is_not_new(client: Client) -> None:
    with project("west", time_zone="America/Sao_Paulo") as west:
        moments = ("1970-01-01T01:00:00Z", "1970-01-02T12:00:00Z")
        events = [{**sent("1970-01-02", plan="pro"), "occurred_at": it} for it in moments]
        deliver(events, blocks=1, project=west.pk)
        days = "project=west&from=1970-01-01&to=1970-01-02&measure=new_users"
        for segment in ("", "&segment=event_type:buy", "&segment=properties.plan:pro"):
            [line] = asked(client, f"{days}{segment}")["series"]
            assert values(line) == [0, 0], segment


@pytest.mark.parametrize("query", ["", "&segment=event_type:buy", "&segment=properties.plan:pro"])
@pytest.mark.parametrize("tz", ["America/Sao_Paulo", "America/New_York"])
def test_the_last_day_of_1969_is_one_of_the_last_days(client: Client, query: str, tz: str) -> None:
    with project("west", time_zone="America/Sao_Paulo") as west:
        moments = {"u1": "1970-01-01T01:00:00Z", "u2": "1970-01-02T12:00:00Z"}
        events = [
            {**sent("1970-01-02", user, plan="pro"), "occurred_at": at}
            for user, at in moments.items()
        ]
        deliver(events, blocks=1, project=west.pk)
        days = f"project=west&from=1970-01-01&to=1970-01-31&measure=users_7d{query}&tz={tz}"
        [line] = asked(client, days)["series"]
        assert values(line) == [1, *[2] * 5, *[1] * 2, *[0] * 23]
        assert line["total"] == 1
        [line] = asked(client, f"{days}&by=properties.plan")["series"]
        assert (line["value"], values(line)[:3], line["total"]) == ("pro", [1, 2, 2], 1)
        for at, users in [
            ("1970-01-01", ["u1"]),
            ("1970-01-06", ["u1", "u2"]),
            ("1970-01-07", ["u2"]),
        ]:
            found = asked(client, f"{days}&at={at}", "trends/users")["users"]
            assert sorted(user["user_id"] for user in found) == users
        [line] = asked(client, days.replace("7d", "30d"))["series"]
        assert values(line) == [1, *[2] * 28, 1, 1]


def test_hours_have_all_events_of_a_day_that_ends_twice(client: Client) -> None:
    at = ["02:29:30", "02:30:30", "02:31:30", "03:29:30"]
    deliver([{**sent("2010-11-07"), "occurred_at": f"2010-11-07T{time}Z"} for time in at], blocks=1)
    query = "from=2010-11-06&to=2010-11-06&tz=America/St_Johns&unit=hour&measure=events"
    [line] = asked(client, query)["series"]
    assert line["total"] == sum(point["value"] for point in line["points"]) == 4


def test_users_by_the_number_of_their_days(client: Client) -> None:
    deliver(
        [
            *[sent(f"2026-11-0{n}", "u1") for n in (1, 2, 3)],
            *[sent("2026-11-02", "u2"), sent("2026-11-02", "u2", "view"), sent("2026-11-04", "u2")],
        ],
        blocks=2,
    )
    answer = asked(client, RANGE, "active-days")
    assert answer == {
        "users": 2,
        "days": [{"days": 1, "users": 1}, {"days": 2, "users": 0}, {"days": 3, "users": 1}],
    }
    only = asked(client, f"{RANGE}&segment=event_type:view", "active-days")
    assert only["users"] == 1


def test_a_wrong_parameter_is_named(client: Client) -> None:
    for query, parameter in [
        ("unit=year", "unit"),
        ("unit=", "unit"),
        ("measure=people", "measure"),
        ("measure=sum", "measure"),
        ("measure=sum()", "measure"),
        ("measure=sum(user_id)", "measure"),
        ("measure=sum(properties.)x", "measure"),
        ("measure=p42(properties.amount)", "measure"),
        ("measure=sum(properties.a:b)", "measure"),
        ("measure=users_7d&unit=hour", "unit"),
        ("measure=new_users&by=properties.a", "by"),
        ("series=nonsense", "series"),
        ("series=saved(nobody's)", "series"),
        ("&".join(["series=event_type:a"] * 11), "series"),
        ("by=user_id", "by"),
        ("by=properties", "by"),
        ("by=country", "by"),
        ("by=properties.a&series=event_type:a&series=event_type:b", "by"),
        ("top=0", "top"),
        ("top=51", "top"),
        ("compare=month", "compare"),
        ("format=xml", "format"),
        ("segment=nonsense", "segment"),
        ("tz=Mars/Olympus", "tz"),
        ("nonsense=1", "nonsense"),
    ]:
        answer = client.get(f"/stats/trends?{RANGE}&{quote(query, safe='=&()')}")
        assert answer.status_code == 400, (query, parameter)
        assert parameter in [error["parameter"] for error in answer.json()["errors"]], (
            query,
            parameter,
        )


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("from=1970-01-01&to=2069-12-31&unit=hour", "to"),
        ("from=2000-01-01&to=2030-12-31", "to"),
        ("from=2020-01-01&to=2026-12-31&by=event_type&top=50", "to"),
        ("from=2020-01-01&to=2026-10-31&by=event_type&compare=previous", "to"),
        ("from=2026-11-03&to=2026-11-01", "from"),
        ("from=1970-01-02&to=1970-01-05&compare=previous", "compare"),
        ("from=1970-01-02&to=1970-01-05&compare=year", "compare"),
    ],
)
def test_a_range_that_is_too_much_is_refused(client: Client, query: str, parameter: str) -> None:
    answer = client.get(f"/stats/trends?{query}")
    assert answer.status_code == 400
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


def test_a_day_of_february_29_is_compared_with_the_day_before(client: Client) -> None:
    for days, before in [
        (("2024-02-29", "2024-02-29"), ("2023-02-28", "2023-02-28")),
        (("2024-02-01", "2024-03-31"), ("2023-02-01", "2023-03-31")),
        (("2025-02-01", "2025-03-31"), ("2024-02-01", "2024-03-31")),
    ]:
        compared = asked(client, f"from={days[0]}&to={days[1]}&compare=year")["compare"]
        assert (compared["from"], compared["to"]) == before


def test_the_first_values_are_those_with_the_highest_measure(client: Client) -> None:
    """Those without a number come last, also after negative ones; their sum is 0."""
    amounts: dict[str, list[Any]] = {"a": [-5], "b": ["none"], "c": [-1, -7], "d": [-6, -2, -2]}
    sent_ = [
        sent("2026-11-01", f"u{n}", country=country, amount=amount)
        for country, some in amounts.items()
        for n, amount in enumerate(some)
    ]
    deliver(sent_, blocks=2)
    for measure, first in {
        "events": "dca",
        "users": "dca",
        "users_7d": "dca",
        "sum(properties.amount)": "bac",
        "avg(properties.amount)": "dca",
        "min(properties.amount)": "adc",
        "max(properties.amount)": "cda",
        "p50(properties.amount)": "dca",
        "p90(properties.amount)": "cda",
    }.items():
        answer = asked(client, f"{RANGE}&measure={measure}&by=properties.country&top=3")
        assert [line["value"] for line in answer["series"]] == [*first], measure
        assert "other" in answer, measure


def test_two_thousand_values_of_a_breakdown_are_ten_and_others(client: Client) -> None:
    deliver([sent("2026-11-01", f"u{n}", country=f"c{n % 2000}") for n in range(4_000)], blocks=1)
    answer = asked(client, f"{RANGE}&measure=events&by=properties.country")
    assert [line["value"] for line in answer["series"]] == sorted(f"c{n}" for n in range(2000))[:10]
    assert answer["other"]["total"] == 4_000 - 20
    assert date.fromisoformat(answer["from"]) == date(2026, 11, 1)


@pytest.mark.parametrize("measure", ["events", "users_7d"])
def test_the_values_of_the_period_before_are_those_of_the_range_whatever_arrives_meanwhile(
    client: Client, monkeypatch: pytest.MonkeyPatch, measure: str
) -> None:
    before = [sent("2026-10-31", "u1", country="DE"), sent("2026-10-31", "u2", country="UA")]
    now = [sent("2026-11-01", "u3", country="DE"), sent("2026-11-01", "u4", country="UA")]
    deliver([*before, sent("2026-10-31", "u5", country="UA"), *now], blocks=1)
    ask = asking.line
    asks: list[Any] = []

    def line(*arguments: Any, **options: Any) -> Any:
        found = ask(*arguments, **options)
        if not asks:
            deliver([sent("2026-11-01", f"v{n}", country="UA") for n in range(9)], blocks=1)
        asks.append(options)
        return found

    monkeypatch.setattr(asking, "line", line)
    query = f"{RANGE}&measure={measure}&by=properties.country&top=1&compare=previous"
    answer = asked(client, query)
    assert [line["value"] for line in answer["series"]] == ["DE"]
    assert [line["value"] for line in answer["compare"]["series"]] == ["DE"]
    assert answer["compare"]["series"][0]["total"] == 1
    assert answer["compare"]["other"]["total"] == 2
    assert len(asks) == 2


def test_a_long_value_is_sent_once_for_each_line(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else 64 KiB for each of its hours would be in the memory of a web process."""
    monkeypatch.setattr(analytics_asking, "_RESULT_BYTES", 300_000)
    days = [f"2026-11-{n:02}" for n in range(1, 29)]
    deliver([sent(day, country="x" * 60_000) for day in days], blocks=1)
    query = "from=2026-11-01&to=2026-11-28&by=properties.country&measure="
    for measure in ("events", "users", "users_7d"):
        [line] = asked(client, f"{query}{measure}")["series"]
        assert len(line["value"]) == 60_000


def test_a_report_of_several_queries_has_the_time_of_one(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    given = list[float]()

    def query(sql: str, *, options: dict[str, Any], **others: Any) -> Any:
        if len(given) < 3:
            time.sleep(1.1)
        given.append(options["max_execution_time"])
        return ask(sql, options=options, **others)

    ask = clickhouse.query
    monkeypatch.setattr(clickhouse, "query", query)
    settings.CLICKHOUSE_QUERY_TIMEOUT_SECONDS = 20
    asked(client, f"{RANGE}&compare=previous&series=event_type:a&series=event_type:b")
    assert given == sorted(given, reverse=True)
    assert given[0] >= 19
    assert given[3] <= given[0] - 3
