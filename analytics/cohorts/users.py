"""SQL of the users of some cohorts, each with the periods in which the user came.

It reads the days of users where they have what is asked, and else the events. Who began before the
cohorts is known from the weeks of users, so that only days from the first cohort on are read.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from analytics.cohorts.question import Question, Unit, span
from analytics.queries import Query, load_filled
from analytics.segments.translating import Condition, Scope, condition
from analytics.trends.buckets import key_of
from analytics.trends.sources import Source, range_of, range_parameters, source_of
from analytics.zones import BEFORE_FIRST, bounds

# The bits of the masks that there are. The last bit of a mask is for periods beyond it.
_WIDTHS = (64, 128, 256)
MOST_BITS = _WIDTHS[-1] - 1
_FIRST_DAY = date(1970, 1, 1)
_WORD = 64
# SQL for the number of a day's period. A day is a Date or a Date32.
_NUMBERS: dict[Unit, str] = {
    "day": "toInt32({day})",
    "week": "intDiv(toInt32({day}) + 3, 7)",
    "month": "toYear({day}) * 12 + toMonth({day}) - 1",
}
_DAY = "toDate32(occurred_at, {tz:String})"
_UNTIL = f"occurred_at < {{until:DateTime64(3, 'UTC')}} AND {_DAY} <= {{end:Date}}"
# Before all periods, and after all.
_NEVER, _NOT_YET = -(2**31), 2**31 - 1


class _Conditions(NamedTuple):
    segments: Condition
    starting: Condition
    returning: Condition

    @property
    def of_start(self) -> set[str]:
        return {*self.segments.columns, *self.starting.columns}


def users(question: Question, cohorts: range, periods: int) -> Query:
    """The users of `cohorts`, which with `periods` after the last one are at most MOST_BITS.

    The rows are user_hash, the cohort's place in `cohorts`, and a mask of periods.
    """
    # As it is now: it may change between two queries.
    scope = Scope(question.zone.name, question.end, question.zone.is_rolled_up)
    given = _Conditions(
        condition(question.segments, scope),
        condition(question.starting, scope, prefix="start"),
        condition(question.returning, scope, prefix="return"),
    )
    source = source_of(
        scope,
        given.segments,
        is_of_days=True,
        counts_users=True,
        columns={*given.starting.columns, *given.returning.columns},
    )
    last = _last_day(question, cohorts, periods)
    read = _read_days if source.is_rollup else _read_events
    range_, of_range = read(question, source, given, cohorts, last)
    masks, of_masks = _masks(question, len(cohorts), periods)
    texts = {
        "source": source.table,
        "segments": given.segments.sql,
        "starts": given.starting.sql,
        "returns": given.returning.sql,
        **masks,
        **range_,
    }
    parameters = {"tz": question.zone.name, "first": cohorts[0], **of_masks, **of_range}
    for one in given:
        parameters |= one.parameters
    return Query(load_filled("cohort_users", texts), parameters)


def _masks(question: Question, cohorts: int, periods: int) -> tuple[dict[str, str], dict[str, Any]]:
    """SQL for when a user started and came again, and what follows from it."""
    width = next(it for it in _WIDTHS if cohorts + periods < it)
    words = [min(_WORD, cohorts - at) for at in range(0, cohorts, _WORD)]
    parameters = {
        "cohorts": cohorts,
        "periods": periods,
        "later": 2 ** (periods + 1) - 2,
        "last_bit": width - 1,
        **{f"word_{place}": 2**bits - 1 for place, bits in enumerate(words)},
    }
    texts = {"one": f"toUInt{width}(1)", **_start(question, words), **_return(question)}
    return texts, parameters


def _start(question: Question, words: Sequence[int]) -> dict[str, str]:
    if question.cohort == "active":
        return {
            "started": "groupBitOr(if(starts, bit, 0))",
            "cohort": f"arrayJoin({_positions('started', words)})",
            "has started": "1",
        }
    return {
        "started": f"min(if(starts, period, {_NOT_YET}))",
        "cohort": "started",
        "has started": "started BETWEEN 0 AND {cohorts:Int32} - 1",
    }


def _return(question: Question) -> dict[str, str]:
    if question.mode == "on":
        later = "toUInt64(bitAnd(bitShiftRight(returned, toUInt8(cohort)), {later:UInt64}))"
        return {
            "returned": "groupBitOr(if(returns, bit, 0))",
            "came": f"bitOr(toUInt64(1), {later})",
        }
    until = "least({periods:UInt8}, greatest(0, returned - cohort))"
    return {
        "returned": f"max(if(returns, period, {_NEVER}))",
        "came": f"bitShiftRight(toUInt64(18446744073709551615), toUInt8(63 - {until}))",
    }


def _positions(mask: str, words: Sequence[int]) -> str:
    """SQL for the places of the bits of a mask; `words` are how many of each 64 bits count."""
    parts = []
    for place in range(len(words)):
        word = f"toUInt64(bitAnd(bitShiftRight({mask}, {place * _WORD}), {{word_{place}:UInt64}}))"
        parts.append(f"arrayMap(it -> it + {place * _WORD}, bitPositionsToArray({word}))")
    return f"arrayConcat({', '.join(parts)})"


def _last_day(question: Question, cohorts: range, periods: int) -> date:
    """The last day that counts, at most that of the running period."""
    running = key_of(question.unit, question.today)
    if question.mode == "on":
        running = min(running, cohorts[-1] + periods)
    return span(question.unit, running).last


def _read_days(
    question: Question, source: Source, given: _Conditions, cohorts: range, last: date
) -> tuple[dict[str, str], dict[str, Any]]:
    """SQL and parameters for which rows of the days of users are read."""
    first = span(question.unit, cohorts[0]).first
    texts = {"range": range_of(source, question.zone.name), "is new": "1"}
    parameters: dict[str, Any] = {}
    day = "day"
    if question.cohort == "first_in_range":
        first = question.start
    elif question.cohort == "first_ever":
        first -= timedelta(days=first.weekday())
        if first < _FIRST_DAY:
            # 1969-12-31, which zones west of Greenwich have, is day 65535 for ClickHouse.
            texts["range"] = f"({texts['range']} OR day = {{before:Date}})"
            first, parameters["before"] = _FIRST_DAY, BEFORE_FIRST
            day = "toDate32(day) - if(day = {before:Date}, 65536, 0)"
        else:
            texts["is new"] = f"user_hash NOT IN ({_earlier(given)})"
            parameters["first_week"] = key_of("week", first)
    texts["number"] = _NUMBERS[question.unit].replace("{day}", day)
    return texts, {**parameters, "start": first, "end": last}


def _earlier(given: _Conditions) -> str:
    of_type = "_by_type" if "event_type" in given.of_start else ""
    texts = {
        "weeks": f"weekly_users{of_type}",
        "segments": given.segments.sql,
        "starts": given.starting.sql,
    }
    return load_filled("cohort_earlier", texts)


def _read_events(
    question: Question, source: Source, _: _Conditions, cohorts: range, last: date
) -> tuple[dict[str, str], dict[str, Any]]:
    """SQL and parameters for which events are read. For the first ever, all up to `last`."""
    zone = question.zone.name
    if question.cohort == "first_ever":
        until = bounds(last, last, zone)["until"]
        read, parameters = _UNTIL, {"end": last, "until": until}
    else:
        is_active = question.cohort == "active"
        first = span(question.unit, cohorts[0]).first if is_active else question.start
        read, parameters = range_of(source, zone), range_parameters(first, last, zone)
    number = _NUMBERS[question.unit].replace("{day}", _DAY)
    return {"is new": "1", "number": number, "range": read}, parameters
