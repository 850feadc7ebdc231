"""The funnel: how many users reached each step, by the values of a field, and who they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from analytics.asking import ask
from analytics.breakdowns import OfLine
from analytics.funnels.asking import users
from analytics.funnels.question import Question
from analytics.queries import Query, load_filled
from analytics.zones import start_of


class Step(NamedTuple):
    """`median_ms` is the median of the milliseconds from the entry; None if nobody came so far."""

    users: int
    median_ms: float | None


class Line(NamedTuple):
    """The users who entered with a value; None: without one."""

    value: str | None
    steps: list[Step]


@dataclass(frozen=True)
class Funnel:
    """`steps` are of all users. `other` are all values without a line; None if there are none.

    `is_complete` is false while a user may still reach a step.
    """

    steps: list[Step]
    is_complete: bool
    lines: Sequence[Line] = ()
    other: list[Step] | None = None


class Cell(NamedTuple):
    """A number of a funnel: users who reached a step, or who `dropped` before it.

    `line` says with which value they entered.
    """

    step: int
    dropped: bool = False
    line: OfLine = OfLine()


def funnel(question: Question) -> Funnel:
    """Raises ClickHouseError."""
    count = len(question.steps)
    is_complete = _last_moment(question) <= question.now
    if question.by is None:
        [[reached, times]] = _ask("funnel", question, users(question))
        return Funnel(_steps(reached, times, count), is_complete)
    rows = _ask("funnel_by", question, users(question))
    found = {
        int(place): (value, _steps(reached, times, count)) for place, value, reached, times in rows
    }
    _, whole = found.pop(0)
    _, other = found.pop(question.top + 1, (None, None))
    lines = [Line(value, steps) for value, steps in found.values()]
    return Funnel(whole, is_complete, lines, other)


def people(question: Question, cell: Cell) -> Query:
    """SQL of the `user_hash` of each user behind a number."""
    sql, parameters = users(question)
    reached = "length(took) >= {step:UInt8}"
    if cell.dropped:
        reached = "length(took) = {step:UInt8} - 1"
    texts = {"reached": reached, "line": _of_line(cell.line, sql), "users": sql}
    more = {"step": cell.step, "value": cell.line.value or "", "n": question.top}
    return Query(load_filled("funnel_cell", texts), {**parameters, **more})


def _of_line(line: OfLine, sql: str) -> str:
    if line.rest == "unset":
        return "isNull(value)"
    if line.rest == "other":
        first = load_filled("funnel_first_values", {"users": sql})
        return f"isNotNull(value) AND NOT has({first}, assumeNotNull(value))"
    return "1" if line.value is None else "value = {value:String}"


def _ask(name: str, question: Question, query: Query) -> list[list[Any]]:
    sql = load_filled(name, {"users": query.sql})
    parameters = {**query.parameters, "n": question.top}
    return ask(name, sql, project=question.project, parameters=parameters)


def _steps(reached: list[Any], times: list[Any], count: int) -> list[Step]:
    """The arrays end with the last step that anyone reached."""
    found = [Step(int(users), float(time)) for users, time in zip(reached, times, strict=True)]
    return found + [Step(0, None)] * (count - len(found))


def _last_moment(question: Question) -> datetime:
    return start_of(question.end + timedelta(days=1), question.zone.name) + question.window
