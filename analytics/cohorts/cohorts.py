"""The table of cohorts: how many users each has, and how many of them came in each period after."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from analytics.asking import ask
from analytics.cohorts.question import Question, Span, span
from analytics.cohorts.users import MOST_BITS, users
from analytics.percent import percent
from analytics.queries import Query, load_filled
from analytics.trends.buckets import key_of


class Period(NamedTuple):
    """A period of a cohort: `users` came in it, `rate` per cent; None if it has not begun."""

    span: Span
    users: int | None
    rate: float | None
    is_complete: bool


class Cohort(NamedTuple):
    """`periods[0]` is the cohort's own period, with all of its users."""

    span: Span
    users: int
    is_complete: bool
    periods: list[Period]


class Average(NamedTuple):
    """The users of the cohorts for which a period is complete, how many of them came, per cent."""

    of: int
    users: int
    rate: float | None


class NoSuchCohort(ValueError):
    """The table has no such cohort."""


class NoSuchPeriod(ValueError):
    """The table has no such period, or it has not begun."""


def cohorts(question: Question) -> list[Cohort]:
    """The cohorts that have users, oldest first, each with `periods` + 1 periods. Exact.

    Raises ClickHouseError.
    """
    counts: dict[int, dict[int, int]] = defaultdict(dict)
    numbers, most = question.cohorts(), MOST_BITS - question.periods
    for at in range(0, len(numbers), most):
        some = numbers[at : at + most]
        for place, period, count in _ask(question, some):
            counts[some[int(place)]][int(period)] = int(count)
    return [_cohort(question, number, counts[number]) for number in sorted(counts)]


def _ask(question: Question, some: range) -> list[list[int]]:
    found = users(question, some, question.periods)
    return ask(
        "cohorts",
        load_filled("cohorts", {"users": found.sql}),
        project=question.project,
        parameters=found.parameters,
        until=question.deadline,
    )


def _cohort(question: Question, number: int, counts: dict[int, int]) -> Cohort:
    size, today = counts[0], question.today
    periods = []
    for k in range(question.periods + 1):
        one = span(question.unit, number + k)
        came = counts.get(k, 0) if one.has_begun(today) else None
        rate = None if came is None else percent(came, size)
        periods.append(Period(one, came, rate, one.has_ended(today)))
    return Cohort(periods[0].span, size, periods[0].is_complete, periods)


def averages(table: Sequence[Cohort]) -> list[Average]:
    """For each period, the users of the cohorts for which it is complete; none without cohorts."""
    found = []
    for k in range(len(table[0].periods) if table else 0):
        complete = [cohort for cohort in table if cohort.periods[k].is_complete]
        of = sum(cohort.users for cohort in complete)
        came = sum(cohort.periods[k].users or 0 for cohort in complete)
        found.append(Average(of, came, percent(came, of) if of else None))
    return found


def people(question: Question, *, cohort: date, period: int) -> Query:
    """SQL of the user_hash of everybody in one cell, each once, and its parameters.

    `cohort` is the first day of the cohort. Raises NoSuchCohort and NoSuchPeriod.
    """
    number = key_of(question.unit, cohort)
    if number not in question.cohorts() or span(question.unit, number).first != cohort:
        raise NoSuchCohort("there is no cohort that begins on this day")
    if not 0 <= period <= question.periods:
        raise NoSuchPeriod(f"there are periods from 0 to {question.periods}")
    if not span(question.unit, number + period).has_begun(question.today):
        raise NoSuchPeriod("this period has not begun")
    found = users(question, range(number, number + 1), period)
    sql = load_filled("cohort_people", {"users": found.sql})
    return Query(sql, {**found.parameters, "period": period})
