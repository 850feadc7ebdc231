"""`GET /stats/cohorts`: what it answers, and what it refuses."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from analytics.cohorts.cohorts import NoSuchCohort, NoSuchPeriod, people
from analytics.cohorts.question import Question
from analytics.zones import Zone
from projects.models import DEFAULT
from tests.analytics.comparison import deliver

pytestmark = pytest.mark.usefixtures("clickhouse", "transactional_db")

RANGE = "from=2026-06-01&to=2026-06-10"


def sent(day: str, user: str = "u1", kind: str = "view", **properties: Any) -> dict[str, Any]:
    at = day if "T" in day else f"{day}T12:00:00Z"
    return {"occurred_at": at, "user_id": user, "event_type": kind, "properties": properties}


def asked(client: Client, query: str = "") -> Any:
    answer = client.get(f"/stats/cohorts?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def came(answer: Any) -> dict[str | None, list[int | None]]:
    """The users of each cohort by period, without the periods that have none behind the last."""
    found = {}
    for row in answer:
        users = [period["users"] for period in row["periods"]]
        while users and users[-1] == 0:
            users.pop()
        found[row["cohort"]] = users
    return found


def test_a_cohort_says_who_came_again_on_each_day(client: Client) -> None:
    deliver(
        [
            sent("2026-06-01"),
            sent("2026-06-02"),
            sent("2026-06-01", "u2"),
            sent("2026-06-04", "u3"),
        ],
        blocks=1,
    )
    answer = asked(client, f"{RANGE}&periods=1")
    first, second, average = answer
    assert first == {
        "cohort": "2026-06-01",
        "users": 2,
        "complete": True,
        "periods": [
            {
                "period": 0,
                "start": "2026-06-01",
                "end": "2026-06-01",
                "users": 2,
                "rate": 100.0,
                "complete": True,
            },
            {
                "period": 1,
                "start": "2026-06-02",
                "end": "2026-06-02",
                "users": 1,
                "rate": 50.0,
                "complete": True,
            },
        ],
    }
    assert (second["cohort"], second["users"]) == ("2026-06-04", 1)
    assert average == {
        "cohort": None,
        "users": 3,
        "periods": [
            {"period": 0, "of": 3, "users": 3, "rate": 100.0},
            {"period": 1, "of": 3, "users": 1, "rate": 33.3},
        ],
    }


def test_a_user_who_came_on_three_days_is_in_three_cohorts(client: Client) -> None:
    deliver([sent(f"2026-06-0{n}") for n in (1, 2, 4)], blocks=1)
    query = f"{RANGE}&cohort=active"
    *on, _ = asked(client, query)
    assert came(on) == {"2026-06-01": [1, 1, 0, 1], "2026-06-02": [1, 0, 1], "2026-06-04": [1]}
    *or_after, _ = asked(client, f"{query}&mode=on_or_after")
    assert came(or_after) == {
        "2026-06-01": [1, 1, 1, 1],
        "2026-06-02": [1, 1, 1],
        "2026-06-04": [1],
    }


def test_who_signed_up_and_bought_later_is_counted(client: Client) -> None:
    deliver(
        [
            *[sent("2026-06-01", "u1", "signup"), sent("2026-06-03", "u1", "purchase")],
            *[sent("2026-06-01", "u2", "signup"), sent("2026-06-02", "u2", "view")],
            *[sent("2026-06-02", "u3", "purchase"), sent("2026-06-03", "u3", "signup", plan=3)],
        ],
        blocks=1,
    )
    query = f"{RANGE}&start=event_type:signup&return=event_type:purchase"
    assert came(asked(client, query)[:-1]) == {"2026-06-01": [2, 0, 1], "2026-06-03": [1]}
    of_plan = f"{RANGE}&start=properties.plan:3"
    assert came(asked(client, of_plan)[:-1]) == {"2026-06-03": [1]}
    of_buyers = f"{query}&segment=did(purchase)&segment=didnot(view)"
    assert came(asked(client, of_buyers)[:-1]) == {"2026-06-01": [1, 0, 1], "2026-06-03": [1]}


@pytest.mark.parametrize("before", ["2020-02-29", "2026-05-31", "2026-06-01", "2026-06-02"])
def test_a_user_who_came_before_the_range_is_of_no_cohort_but_within_it_is(
    client: Client, before: str
) -> None:
    deliver([sent(before, plan=3), sent("2026-06-04", plan=3)], blocks=1)
    days = "from=2026-06-03&to=2026-06-10"
    for segment in ("", "&segment=properties.plan:3", "&segment=event_type:view"):
        assert asked(client, f"{days}{segment}") == []
        assert came(asked(client, f"{days}{segment}&cohort=first_in_range")) == {
            "2026-06-04": [1],
            None: [1],
        }


def test_a_user_is_new_by_what_the_cohort_is_of(client: Client) -> None:
    deliver([sent("2026-01-07"), sent("2026-06-02", kind="signup")], blocks=1)
    for what in ("start", "segment"):
        answer = asked(client, f"{RANGE}&{what}=event_type:signup")
        assert came(answer[:-1]) == {"2026-06-02": [1]}


def test_who_bought_before_they_signed_up_did_not_come_again(client: Client) -> None:
    deliver([sent("2026-06-02", kind="purchase"), sent("2026-06-03", kind="signup")], blocks=1)
    events = "start=event_type:signup&return=event_type:purchase&periods=1"
    for days in ("from=2026-06-03&to=2026-06-03", "from=2026-05-26&to=2026-06-08&unit=week"):
        for cohort in ("first_ever", "first_in_range", "active"):
            for mode in ("on", "on_or_after"):
                rows = asked(client, f"{days}&{events}&cohort={cohort}&mode={mode}")
                assert [row["users"] for row in rows] == [1, 1], (days, cohort, mode)
                assert [period["users"] for period in rows[0]["periods"]] == [1, 0]


def test_a_later_event_counts_for_all_periods_before_it_if_asked_so(client: Client) -> None:
    deliver([sent("2026-06-01"), sent("2026-07-30")], blocks=1)
    for cohort in ("first_ever", "first_in_range", "active"):
        query = f"from=2026-06-01&to=2026-06-01&periods=2&cohort={cohort}"
        assert came(asked(client, query)[:-1]) == {"2026-06-01": [1]}
        or_after = asked(client, f"{query}&mode=on_or_after")
        assert came(or_after[:-1]) == {"2026-06-01": [1, 1, 1]}


def test_cohorts_of_years_of_days_are_found_whichever_query_they_are_of(client: Client) -> None:
    places = [0, 63, 64, 127, 128, 192, 242, 243, 244, 485, 486, 545]
    days = [str(date(2025, 1, 1) + timedelta(days=place)) for place in places]
    deliver([sent(day, plan=3) for day in days], blocks=1)
    deliver([sent(day, f"u {day}", plan=3) for day in days], blocks=1)
    whole = "from=2025-01-01&to=2026-06-30"
    for segment in ("", "&segment=properties.plan:3"):
        new = came(asked(client, f"{whole}{segment}")[:-1])
        assert new == {days[0]: [2], **{day: [1] for day in days[1:]}}
        active = came(asked(client, f"{whole}&cohort=active{segment}")[:-1])
        assert {day: users[0] for day, users in active.items() if day} == dict.fromkeys(days, 2)
        assert [active[days[place]] for place in (1, 3, 6, 7, 9)] == [
            *([2, 1], [2, 1], [2, 1, 1], [2, 1], [2, 1])
        ]
    [only, _] = asked(client, f"from=2025-03-05&to=2025-03-05&cohort=active{segment}")
    assert (only["cohort"], only["users"]) == (days[1], 2)


def test_the_window_of_what_a_user_did_ends_with_the_range(client: Client) -> None:
    deliver([sent("2026-06-02"), sent("2026-06-20", "u2")], blocks=1)
    answer = asked(client, "from=2026-06-01&to=2026-06-03&segment=did(view,2d)")
    assert came(answer[:-1]) == {"2026-06-02": [1]}


@pytest.mark.parametrize(
    ("unit", "days", "first"),
    [
        ("day", ["2026-06-02", "2026-06-03"], "2026-06-03"),
        ("week", ["2026-06-04", "2026-06-14"], "2026-06-08"),
        ("month", ["2026-06-30", "2026-07-31"], "2026-07-01"),
    ],
)
def test_a_week_or_month_that_the_range_cuts_is_no_cohort(
    client: Client, unit: str, days: list[str], first: str
) -> None:
    """And who came in it is not new in the next one."""
    both = [sent(day, plan=3) for day in days] if unit != "day" else []
    deliver([sent(day, f"u{n}", plan=3) for n, day in enumerate(days, 2)] + both, blocks=1)
    for segment in ("", "&segment=properties.plan:3"):
        for cohort in ("first_ever", "first_in_range", "active"):
            query = f"from=2026-06-03&to=2026-07-02&unit={unit}&cohort={cohort}{segment}"
            row, _ = asked(client, query)
            users = 2 if both and cohort == "active" else 1
            assert (row["cohort"], row["users"]) == (first, users), query


def test_what_runs_is_not_complete_and_what_has_not_begun_is_null(client: Client) -> None:
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    deliver([sent(str(yesterday)), sent(str(today)), sent(str(today), "u2")], blocks=1)
    query = f"from={yesterday}&to={today + timedelta(days=9)}&periods=2"
    first, second, average = asked(client, query)
    assert [first["complete"], second["complete"]] == [True, False]
    shown = [
        [(period["users"], period["rate"], period["complete"]) for period in row["periods"]]
        for row in (first, second)
    ]
    none = (None, None, False)
    assert shown == [[(1, 100.0, True), (1, 100.0, False), none], [(1, 100.0, False), none, none]]
    assert [(it["of"], it["users"], it["rate"]) for it in average["periods"]] == [
        (1, 1, 100.0),
        (0, 0, None),
        (0, 0, None),
    ]


def test_ranges_beside_all_events_have_no_cohorts(client: Client) -> None:
    deliver([sent("2026-06-02")], blocks=1)
    for days in ("from=1970-01-01&to=1971-01-01", "from=2026-06-03&to=2026-06-30"):
        for cohort in ("first_ever", "first_in_range", "active"):
            assert asked(client, f"{days}&cohort={cohort}") == []
    assert asked(client, "from=2099-12-01&to=2099-12-31") == []
    # Days to come are no cells.
    assert came(asked(client, "from=2026-06-01&to=2099-12-31")[:-1]) == {"2026-06-02": [1]}


def test_a_period_is_a_difference_of_dates_where_a_day_has_23_hours(client: Client) -> None:
    moments = ["2026-03-28T22:30:00Z", "2026-03-29T20:59:59Z", "2026-03-29T21:00:00Z"]
    deliver([sent(moment) for moment in moments], blocks=1)
    query = "from=2026-03-29&to=2026-03-31&tz=Europe/Kyiv&periods=2"
    assert came(asked(client, query)[:-1]) == {"2026-03-29": [1, 1]}


def test_the_last_hour_of_the_last_period_counts(client: Client) -> None:
    deliver([sent("2026-06-01T23:30:00Z"), sent("2026-06-03T02:30:00Z")], blocks=1)
    for cohort in ("first_ever", "first_in_range", "active"):
        query = "from=2026-06-01&to=2026-06-01&tz=America/Sao_Paulo&periods=1"
        answer = asked(client, f"{query}&cohort={cohort}")
        assert came(answer[:-1]) == {"2026-06-01": [1, 1]}


def test_who_came_on_the_last_local_day_of_1969_is_not_new_in_1970(client: Client) -> None:
    deliver([sent("1970-01-01T01:00:00Z"), sent("1970-01-02"), sent("1970-01-02", "u2")], blocks=1)
    for unit, first in [("day", "1970-01-02"), ("month", "1970-01-01")]:
        query = f"from=1970-01-01&to=1970-01-31&tz=America/Sao_Paulo&unit={unit}"
        assert came(asked(client, query)[:-1]) == {first: [1]}


def test_csv_has_a_row_a_period_and_the_averages_last(client: Client) -> None:
    deliver([sent("2026-06-01"), sent("2026-06-03")], blocks=1)
    answer = client.get(f"/stats/cohorts?{RANGE}&periods=2&format=csv")
    assert answer.content.decode().splitlines() == [
        "cohort,cohort_users,period,start,end,users,rate,complete",
        "2026-06-01,1,0,2026-06-01,2026-06-01,1,100.0,true",
        "2026-06-01,1,1,2026-06-02,2026-06-02,0,0.0,true",
        "2026-06-01,1,2,2026-06-03,2026-06-03,1,100.0,true",
        ",1,0,,,1,100.0,",
        ",1,1,,,0,0.0,",
        ",1,2,,,1,100.0,",
    ]
    none = client.get("/stats/cohorts?from=2026-07-01&to=2026-07-02&format=csv").content
    assert none.splitlines() == answer.content.splitlines()[:1]


def test_averages_weigh_cohorts_by_their_users(client: Client) -> None:
    """And not by their rates: 1 of 1 and 0 of 3 are 1 of 4."""
    others = [sent("2026-06-03", f"v{n}") for n in range(3)]
    deliver([sent("2026-06-01"), sent("2026-06-02"), *others], blocks=1)
    average = asked(client, f"{RANGE}&periods=1")[-1]
    assert average["periods"][1] == {"period": 1, "of": 4, "users": 1, "rate": 25.0}


def test_rates_are_rounded_to_the_nearer_tenth(client: Client) -> None:
    again = [sent("2026-06-02", f"u{n}") for n in range(2)]
    deliver([*again, *[sent("2026-06-01", f"u{n}") for n in range(3)]], blocks=1)
    row, average = asked(client, f"{RANGE}&periods=1")
    assert [row["periods"][1]["rate"], average["periods"][1]["rate"]] == [66.7, 66.7]


@pytest.mark.parametrize("cohorts", [60, 120, 240])
def test_the_last_cohort_has_all_of_its_periods(client: Client, cohorts: int) -> None:
    last = date(2025, 1, 1) + timedelta(days=cohorts - 1)
    deliver([sent(str(last)), sent(str(last + timedelta(days=9)))], blocks=1)
    for mode, later in (("on", [0] * 8 + [1]), ("on_or_after", [1] * 9)):
        for cohort in ("first_ever", "active"):
            answer = asked(client, f"from=2025-01-01&to={last}&mode={mode}&cohort={cohort}")
            assert came(answer[:-1]) == {str(last): [1, *later]}, (mode, cohort)


def test_a_wrong_parameter_is_named(client: Client) -> None:
    for query, parameter in [
        ("unit=hour", "unit"),
        ("unit=", "unit"),
        ("cohort=new", "cohort"),
        ("mode=after", "mode"),
        ("periods=0", "periods"),
        ("periods=64", "periods"),
        ("periods=-1", "periods"),
        ("periods=many", "periods"),
        ("start=nonsense", "start"),
        ("start=", "start"),
        ("start=match(user_id):(", "start"),
        ("return=saved(nobody's)", "return"),
        ("return=gt(properties.amount):x", "return"),
        ("start=event_type:a&start=event_type:b", "start"),
        ("segment=nonsense", "segment"),
        ("tz=Mars/Olympus", "tz"),
        ("format=xml", "format"),
        ("windows=3", "windows"),
        ("from=2026-06-01", "from"),
    ]:
        answer = client.get(f"/stats/cohorts?{RANGE}&{quote(query, safe='=&()')}")
        assert answer.status_code == 400, (query, parameter)
        assert parameter in [error["parameter"] for error in answer.json()["errors"]], (
            query,
            parameter,
        )


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("to=2026-06-01", "from"),
        ("from=2026-06-01", "to"),
        ("from=2026-06-02&to=2026-06-01", "from"),
        ("from=1969-12-31&to=2026-06-01", "from"),
        ("from=2026-06-01&to=2100-01-01", "to"),
        ("from=2000-01-01&to=2026-06-01", "to"),
        ("from=1970-01-01&to=2026-06-01&unit=week&periods=63", "to"),
    ],
)
def test_a_range_that_is_wrong_or_too_much_is_refused(
    client: Client, query: str, parameter: str
) -> None:
    answer = client.get(f"/stats/cohorts?{query}")
    assert answer.status_code == 400
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


@pytest.mark.parametrize(
    ("cohort", "period"),
    [
        (date(2026, 5, 31), 0),
        (date(2026, 6, 2), 0),
        (date(2026, 6, 15), 0),
        (date(2026, 6, 1), 3),
        (date(2026, 6, 1), -1),
        (date(2026, 6, 8), 2),
    ],
)
def test_nobody_is_behind_a_cell_that_the_table_has_not(cohort: date, period: int) -> None:
    question = Question(
        project=DEFAULT,
        zone=Zone("UTC"),
        start=date(2026, 6, 1),
        end=date(2026, 6, 14),
        today=date(2026, 6, 21),
        unit="week",
        periods=2,
    )
    with pytest.raises((NoSuchCohort, NoSuchPeriod)):
        people(question, cohort=cohort, period=period)
    people(question, cohort=date(2026, 6, 8), period=1)
