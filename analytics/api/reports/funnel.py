"""How many users went through some steps, how long it took them, and where they stopped."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from analytics.api.breakdown import LINES, breakdown, check_line, field_of, line_of
from analytics.api.report import (
    RANGE,
    Parameter,
    People,
    Report,
    Values,
    check_days,
    of_choice,
)
from analytics.api.schemas.funnel import EXAMPLE, SCHEMA
from analytics.funnels.funnel import Cell, Funnel, Line, Step, funnel, people
from analytics.funnels.question import (
    LEAST_STEPS,
    LEAST_WINDOW,
    MOST_STEPS,
    MOST_WINDOW,
    ORDERS,
    Question,
)
from analytics.parameters import Asked, checked_segments
from analytics.percent import percent
from analytics.queries import Query
from analytics.segments.expressions import Segments
from config.api.openapi import TEXT
from config.api.query_parameters import problem, whole_number
from config.memory import room

# Memory for one step of a line, and for the longest value of a property: as rows and in the answer.
_STEP_BYTES = 1_500
_VALUE_BYTES = 4 * 64 * 1024
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_WINDOW = re.compile(r"([0-9]{1,8})([smhdw])")
_ESCAPED_OR_COMMA = re.compile(r"\\,|,")


def parse_window(text: str) -> timedelta:
    """Such as 30m or 7d. Raises ValueError."""
    found = _WINDOW.fullmatch(text)
    if not found:
        raise ValueError("must be a number and s, m, h, d or w, such as 30m or 7d")
    window = int(found[1]) * _UNITS[found[2]]
    if not LEAST_WINDOW <= window <= MOST_WINDOW:
        raise ValueError(f"must be from 1s to {MOST_WINDOW.days}d")
    return window


def conditions_of(step: str) -> list[str]:
    r"""The conditions of a step, which commas join; `\,` is a comma."""
    parts, start = [""], 0
    for match in _ESCAPED_OR_COMMA.finditer(step):
        parts[-1] += step[start : match.start()]
        start = match.end()
        if match[0] == ",":
            parts.append("")
        else:
            parts[-1] += ","
    parts[-1] += step[start:]
    return parts


def step_of(conditions: Sequence[str]) -> str:
    """The step that `conditions_of` reads as these."""
    return ",".join(condition.replace(",", r"\,") for condition in conditions)


def question_of(values: Values, asked: Asked) -> Question:
    """Raises Problem, and ClickHouseError."""
    return Question(
        **asked,
        start=values["from"],
        end=values["to"],
        now=datetime.now(UTC),
        steps=[_step(text, number, asked) for number, text in enumerate(values["step"], start=1)],
        window=values["window"],
        order=values["order"],
        by=field_of(values),
        top=values["top"],
    )


def _step(text: str, number: int, asked: Asked) -> Segments:
    conditions, part = conditions_of(text), f"step {number}"
    if len(conditions) > 1:
        part += r", where a comma joins conditions and `\,` is a comma"
    return checked_segments(conditions, {}, project=asked["project"], parameter="step", part=part)


def _check(values: Values) -> None:
    check_days(values)
    if not LEAST_STEPS <= len(values["step"]) <= MOST_STEPS:
        message = f"a funnel has {LEAST_STEPS} to {MOST_STEPS} steps"
        raise problem([{"parameter": "step", "message": message}])


def _answer(values: Values, asked: Asked) -> dict[str, Any]:
    question = question_of(values, asked)
    lines = question.top + 2 if question.by else 1
    names = _VALUE_BYTES * lines if question.by else 0
    room.need_for_answer(_STEP_BYTES * lines * len(question.steps) + names)
    found = funnel(question)
    return {
        "steps": _steps(found.steps),
        "window_seconds": question.window // timedelta(seconds=1),
        "complete": found.is_complete,
        **(_breakdown(values["by"].text, found) if question.by else {}),
    }


def _breakdown(by: str, found: Funnel) -> dict[str, Any]:
    other = {} if found.other is None else {"other": {"steps": _steps(found.other)}}
    return {"by": by, "values": [_line(line) for line in found.lines], **other}


def _line(line: Line) -> dict[str, Any]:
    return {"value": line.value, "steps": _steps(line.steps)}


def _steps(steps: Sequence[Step]) -> list[dict[str, Any]]:
    first = {"step": 1, "users": steps[0].users}
    return [first, *(_step_after(steps, number) for number in range(2, len(steps) + 1))]


def _step_after(steps: Sequence[Step], number: int) -> dict[str, Any]:
    first, before, step = steps[0], steps[number - 2], steps[number - 1]
    return {
        "step": number,
        "users": step.users,
        "of_first": _share(step, first),
        "of_previous": _share(step, before),
        "median_seconds": None if step.median_ms is None else step.median_ms / 1000,
    }


def _share(step: Step, whole: Step) -> float | None:
    return percent(step.users, whole.users) if whole.users else None


def _rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    # An empty value is a value too: the line of all is told apart by its kind.
    everybody = "all users" if "values" in answer else ""
    rows = [_row(step, None, everybody) for step in answer["steps"]]
    for line in answer.get("values", []):
        kind = "" if line["value"] is not None else "no value"
        rows += [_row(step, line["value"], kind) for step in line["steps"]]
    for step in answer.get("other", {"steps": []})["steps"]:
        rows.append(_row(step, None, "all other values"))
    return rows


def _row(step: dict[str, Any], value: str | None, kind: str) -> dict[str, Any]:
    names = ("users", "of_first", "of_previous", "median_seconds")
    return {
        "value": value,
        "kind": kind,
        "step": step["step"],
        **{name: step.get(name) for name in names},
    }


def _cell(values: Values) -> Cell:
    step = values["dropped"] or values["reached"] or 1
    return Cell(step, bool(values["dropped"]), line_of(values))


def _check_cell(values: Values) -> None:
    steps = len(values["step"])
    if values["reached"] and values["dropped"]:
        raise problem([{"parameter": "dropped", "message": "takes no reached beside it"}])
    if values["dropped"] == 1:
        message = "is from 2 on; nobody is dropped before the first step"
        raise problem([{"parameter": "dropped", "message": message}])
    for name in ("reached", "dropped"):
        if (values[name] or 1) > steps:
            raise problem([{"parameter": name, "message": f"the funnel has {steps} steps"}])
    check_line(values)


def _users(values: Values, asked: Asked) -> Query:
    return people(question_of(values, asked), _cell(values))


def _step_number(name: str, about: str) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": MOST_STEPS}
    return Parameter(name, whole_number(1, MOST_STEPS), schema, about)


REPORT = Report(
    path="funnel",
    summary="Users who went through some steps",
    description=(
        "How many users reached each step. The first one is that of the range; later ones may lie "
        "behind it, within the window. `complete` is false while a user may still reach a step."
    ),
    parameters=(
        *RANGE,
        Parameter(
            "step",
            str,
            TEXT,
            f"The events of a step: a segment, or several that must all match, joined by commas; "
            rf"`\,` is a comma. {LEAST_STEPS} to {MOST_STEPS} of them, in their order.",
            is_required=True,
            is_list=True,
        ),
        Parameter(
            "window",
            parse_window,
            {"type": "string", "pattern": f"^{_WINDOW.pattern}$"},
            "The time from the first step for all of them: `30m`, `12h`, `7d`, at most "
            f"`{MOST_WINDOW.days}d`.",
            default="1d",
        ),
        of_choice(
            "order",
            ORDERS,
            "`ordered`: other events may lie between the steps. `strict`: no other event of the "
            "segments lies between them. `any`: the steps may come in any order.",
            default="ordered",
        ),
        *breakdown(
            "The funnel for each of its first values. A user has that of the first event that "
            "enters the funnel."
        ),
    ),
    check=_check,
    people=People(
        "The users who reached a step, or who did not come from the step before to it.",
        parameters=(
            _step_number("reached", "The number of the step; without it the first."),
            _step_number("dropped", "Users who reached the step before this one and not this one."),
            *LINES,
        ),
        users=_users,
        check=_check_cell,
    ),
    advice="Ask for fewer days, a shorter window, or steps and segments that match fewer events",
    answer=_answer,
    rows=_rows,
    schema=SCHEMA,
    example=EXAMPLE,
)
