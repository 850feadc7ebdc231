"""Histories written by hand, each with the questions in which the mistake it is about would show.

Every event is of one type and has one property, so that each way to ask, by rollup, by the
rollup of types and from the events themselves, has to give the same answers.
"""

from datetime import date

from tests.analytics.comparison import Question
from tests.analytics.histories import History
from tests.analytics.oracle import Event

WAYS_TO_ASK = ((), ("event_type:buy",), ("properties.plan:42",))
FIRST_MOMENT, LAST_MOMENT = "T00:00:00.000Z", "T23:59:59.999Z"


def came(user: str, *moments: str) -> list[Event]:
    return [
        {
            "occurred_at": moment,
            "user_id": user,
            "event_type": "buy",
            "properties": {"plan": 42},
        }
        for moment in moments
    ]


def asked(
    start: date, end: date, *, since: date, windows: int = 2, today: date, times: int = 1
) -> list[Question]:
    return [Question(way, start, end, 5, since, windows, today, times) for way in WAYS_TO_ASK]


# The 5th is a Sunday.
WEEKS = History(
    events=[
        *came("u1", "2025-01-05" + LAST_MOMENT, "2025-01-06" + FIRST_MOMENT),
        *came("u2", "2025-01-06" + FIRST_MOMENT, "2025-01-12" + LAST_MOMENT),
        *came("u3", "2025-01-11T12:00:00.000Z", "2025-01-19" + LAST_MOMENT),
    ],
    blocks=2,
    questions=asked(
        date(2025, 1, 1), date(2025, 1, 31), since=date(2024, 12, 30), today=date(2025, 1, 31)
    ),
)

# Asked day by day, for what is left out, or taken in, at either end.
DAYS = History(
    events=[
        *came("u1", "2024-02-28" + LAST_MOMENT),
        *came("u2", "2024-02-29" + FIRST_MOMENT, "2024-02-29" + LAST_MOMENT),
        *came("u3", "2024-03-01" + FIRST_MOMENT, "2024-03-01" + LAST_MOMENT),
        *came("u4", "2024-03-02" + FIRST_MOMENT),
    ],
    blocks=1,
    questions=[
        question
        for end in (date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1))
        for question in asked(
            date(2024, 2, 28), end, since=date(2024, 2, 26), today=date(2024, 3, 2)
        )
    ],
)

# One of sixteen is 6.25 per cent, and fifteen are 93.75: both end in a half.
HALVES = History(
    events=[
        event
        for n in range(16)
        for event in came(
            f"u{n}",
            "2025-01-06" + FIRST_MOMENT,
            ("2025-01-20" if n else "2025-01-19") + FIRST_MOMENT,
        )
    ],
    blocks=3,
    questions=asked(
        date(2025, 1, 6), date(2025, 1, 6), since=date(2025, 1, 6), today=date(2025, 1, 31)
    ),
)

# A row of weekly_users ends with the week of 2023-12-11, and so does its mask's last bit.
LAST_BIT = History(
    events=[
        *came("u1", "2023-12-04" + FIRST_MOMENT, "2023-12-17" + LAST_MOMENT),
        *came("u2", "2023-12-11" + FIRST_MOMENT),
        *came("u3", "2023-12-11" + FIRST_MOMENT, "2023-12-18" + FIRST_MOMENT),
    ],
    blocks=2,
    questions=asked(
        date(2023, 12, 1),
        date(2023, 12, 31),
        since=date(2023, 12, 4),
        windows=5,
        today=date(2024, 3, 1),
    ),
)

# Users with two rows there and with three, the second and third beyond the mask of the query.
YEARS_APART = History(
    events=[
        *came("u1", "2021-07-05" + FIRST_MOMENT, "2021-07-12T12:00:00.000Z"),
        *came("u1", "2023-12-18" + FIRST_MOMENT, "2024-02-29T12:00:00.000Z"),
        *came("u2", "2018-01-01" + FIRST_MOMENT, "2021-07-04" + LAST_MOMENT),
        *came("u2", "2024-01-22" + FIRST_MOMENT),
    ],
    blocks=2,
    questions=[
        question
        for since in (date(2021, 7, 5), date(2018, 1, 1))
        for question in asked(
            since, since, since=since, windows=30, today=date(2024, 3, 1), times=5
        )
    ],
)

# The last cohort of the first query: its second week after is the mask's last bit, and the next row
# of weekly_users begins with the third. The first user comes again 129 weeks after the mask begins,
# which would be their first week after if the mask began anew.
END_OF_MASK = History(
    events=[
        *came("u1", "2021-07-05" + FIRST_MOMENT, "2023-12-25" + FIRST_MOMENT),
        *came("u2", "2023-11-27" + FIRST_MOMENT, "2023-12-18" + FIRST_MOMENT),
        *came("u3", "2023-11-27" + FIRST_MOMENT, "2023-12-17" + LAST_MOMENT),
    ],
    blocks=1,
    questions=asked(
        date(2023, 12, 1), date(2023, 12, 31), since=date(2021, 7, 5), today=date(2024, 3, 1)
    ),
)

NOTHING = History(
    events=[],
    blocks=1,
    questions=asked(
        date(2025, 1, 1), date(2025, 1, 31), since=date(2024, 12, 30), today=date(2025, 1, 31)
    ),
)
