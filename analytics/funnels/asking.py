"""Puts together the SQL of the users of a funnel, which its report and its lists are made of."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from analytics.funnels.question import Question
from analytics.queries import Query, load_filled
from analytics.segments.readers import value_as_text
from analytics.segments.translating import Scope, condition
from analytics.trends.sources import RAW, range_of, range_parameters
from analytics.zones import UTC

# Which bits an event has that enters a funnel: see funnel_users.sql.
_IN_RANGE, _FIRST_STEP = 1 << 10, 1
_LEVELS = {"ordered": "funnel_level", "strict": "funnel_level", "any": "funnel_any"}
# The entry of the last event that has one, or that of each event alone.
_NEWEST = {"ordered": "arrayFill(it -> it > 0, {})", "strict": "{}", "any": ""}
# What is no step of the funnel comes after all steps of the same millisecond.
_NO_STEP = 15


def users(question: Question) -> Query:
    """Rows of `user_hash`, `value` if there is a breakdown, and `took`; see funnel_users.sql."""
    scope = Scope(question.zone.name, question.end, question.zone.is_rolled_up)
    where = condition(question.segments, scope)
    steps = [
        condition(step, scope, prefix=f"step_{k}") for k, step in enumerate(question.steps, start=1)
    ]
    parameters: dict[str, Any] = {
        "tz": question.zone.name,
        "window": question.window // timedelta(milliseconds=1),
        "entry": _IN_RANGE if question.order == "any" else _IN_RANGE + _FIRST_STEP,
        **range_parameters(question.start, question.end, question.zone.name),
    }
    for one in (where, *steps):
        parameters |= one.parameters
    matched = (f"ifNull(({one.sql}), 0) AS step_{k}" for k, one in enumerate(steps, start=1))
    texts = {
        "steps": ", ".join(matched),
        "segments": f"({where.sql})",
        "any step": _any_step([one.sql for one in steps], question),
        **_numbers(len(steps), question),
        **_levels(len(steps), question),
        **_value(question, parameters),
    }
    return Query(load_filled("funnel_users", texts), parameters)


def _any_step(steps: Sequence[str], question: Question) -> str:
    # What lies between two steps matters only where they must follow directly.
    if question.order == "strict":
        return "1"
    return "(" + " OR ".join(f"({sql})" for sql in steps) + ")"


def _numbers(count: int, question: Question) -> dict[str, str]:
    """The parts of an event's number, and its bounds."""
    zone = question.zone.name
    steps = range(1, count + 1)
    first = ", ".join(f"step_{k}, {k}" for k in steps)
    return {
        "first step": f"multiIf({first}, {_NO_STEP})",
        "mask": " + ".join(f"bitShiftLeft(toUInt64(step_{k}), {k - 1})" for k in steps),
        "range": f"({range_of(RAW, zone)})",
        "not before": "1" if zone == UTC else "toDate32(occurred_at, {tz:String}) >= {start:Date}",
    }


def _levels(count: int, question: Question) -> dict[str, str]:
    steps = range(2, count + 1)
    levels = [_entries(count, question.order)]
    for step in steps:
        before = step - 1
        texts = {"step": f"{step}", "before": f"{before}", "bit": f"{before}"}
        texts["newest"] = _NEWEST[question.order].format(f"entries_{before}")
        levels.append(load_filled(_LEVELS[question.order], texts))
        levels.append(f"arrayFirstIndex(it -> it > 0, entries_{step}) AS at_{step}")
    times = (f"toUInt64(bitShiftRight(events[at_{k}], 15) - entries_{k}[at_{k}])" for k in steps)
    return {
        "levels": ",\n".join(levels),
        "times": ", ".join(["toUInt64(0)", *times]),
        "level": " + ".join(["1", *(f"(at_{k} > 0)" for k in steps)]),
    }


def _entries(count: int, order: str) -> str:
    if order != "any":
        return load_filled("funnel_entries", {})
    names = ", ".join(f"time_{k}" for k in range(1, count + 1))
    times = (load_filled("funnel_any_time", {"bit": f"{k}"}) for k in range(count))
    return load_filled("funnel_any_times", {"names": names, "times of steps": ", ".join(times)})


def _value(question: Question, parameters: dict[str, Any]) -> dict[str, str]:
    """With a breakdown, the value of each user's first entry. A tuple keeps what is no value."""
    if question.by is None:
        return {"value of user": "", "value of entry": "", "value of event": ""}

    def bind(name: str, type_name: str, value: object) -> str:
        parameters[f"by_{name}"] = value
        return f"{{by_{name}:{type_name}}}"

    value = value_as_text(question.by, bind)
    return {
        "value of event": f"event_id, tuple({value}) AS value_,",
        "value of entry": "argMinIf(value_, (packed, event_id), is_entry).1 AS value,",
        "value of user": "value,",
    }
