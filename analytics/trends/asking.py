"""Asks ClickHouse for one line of a trend, or for the lines of the values of a field."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from analytics.asking import ask
from analytics.breakdowns import OfLine
from analytics.queries import Query, load_filled
from analytics.segments.expressions import Segments
from analytics.segments.readers import value_as_text
from analytics.segments.translating import Condition, Scope, condition
from analytics.trends.buckets import KEYS, parameters
from analytics.trends.firsts import firsts, source_of_firsts
from analytics.trends.measures import NEW, ROLLING, Number, measure_sql, numbers_of, reading
from analytics.trends.question import Question
from analytics.trends.sources import (
    FIRST_DAY,
    Source,
    days_of,
    range_of,
    range_parameters,
    source_of,
)

# The place of a line without a field, and that of events without a value of the field.
WHOLE = UNSET = 0
# The day that stands for the range in trend_rolling.sql.
_RANGE = -1


@dataclass
class Found:
    """What ClickHouse says of one line: the field's value, and numbers of the range and buckets.

    The mark is a hash of the value, by which a period that is compared knows it.
    A bucket that is missing has no events.
    """

    value: str = ""
    mark: str = ""
    total: Number | None = None
    numbers: dict[int, Number] = field(default_factory=dict)


def line(
    question: Question,
    segments: Segments,
    start: date,
    end: date,
    *,
    marks: Sequence[str] | None = None,
) -> dict[int, Found]:
    """The lines by their place: WHOLE, or with a field UNSET, those of its first values, and one
    more.

    With `marks`, the first values are those that have them, in this order.
    """
    plan = _Plan(question, segments, start, end, marks)
    if question.measure.name == NEW:
        return plan.new()
    return plan.rolling() if question.measure.name in ROLLING else plan.buckets()


def users(
    question: Question,
    segments: Segments,
    days: tuple[date, date],
    last: date,
    *,
    line: OfLine,
    moments: tuple[datetime, datetime] | None,
) -> Query:
    """SQL of the user_hash of each event of a line on some days, and between two `moments`.

    `last` is the last day of the period, with which the windows of segments end.
    """
    plan = _Plan(question, segments, *days, None, last=last, of_users=True)
    return plan.users(line, segments, moments)


class _Plan:
    """The parts of a query, and the parameters that they need."""

    def __init__(
        self,
        question: Question,
        segments: Segments,
        start: date,
        end: date,
        marks: Sequence[str] | None,
        *,
        last: date | None = None,
        of_users: bool = False,
        prefix: str = "segment",
    ) -> None:
        self._question, self._start, self._end, self._marks = question, start, end, marks
        self._zone = question.zone.name
        # As it is now: it may change between two queries.
        scope = Scope(self._zone, last or end, question.zone.is_rolled_up)
        where = condition(segments, scope, prefix=prefix)
        self._where = where.sql
        self._parameters: dict[str, Any] = {"tz": self._zone, **where.parameters}
        self._source = self._source_of(scope, where, of_users or question.measure.name != "events")

    def _source_of(self, scope: Scope, where: Condition, counts_users: bool) -> Source:
        by, measure = self._question.by, self._question.measure
        is_of_days = self._question.unit != "hour"
        if measure.name == NEW:
            return source_of_firsts(scope, where, is_of_days=is_of_days)
        fields = [one.name for one in (by, measure.field) if one]
        return source_of(
            scope,
            where,
            is_of_days=is_of_days,
            counts_users=counts_users,
            columns={*fields},
        )

    def buckets(self) -> dict[int, Found]:
        question = self._question
        measure = measure_sql(question.measure, self._source, self._bind)
        texts = {
            "bucket": KEYS[question.unit].replace("{day}", self._source.day),
            "states": measure.states,
            "merged": measure.merged,
            "range": range_of(self._source, self._zone),
        }
        self._parameters |= range_parameters(self._start, self._end, self._zone)
        self._parameters |= parameters(question.unit, self._start, self._end, self._zone)
        read = reading(question.measure)
        if question.by is None:
            counts_rows = question.unit == "day" and self._source.is_of_users
            name = "trend_days" if counts_rows else "trend"
            rows = [[WHOLE, "", "", *row] for row in self._ask(name, texts)]
        else:
            rows = self._ask("trend_by", texts | self._field(measure.order))
        found: dict[int, Found] = defaultdict(Found)
        for place, shown, mark, is_range, bucket, *columns in rows:
            one = found[place]
            if is_range:
                one.value, one.mark, one.total = shown, mark, read(columns)
            else:
                one.numbers[bucket] = read(columns)
        return found

    def users(
        self, line: OfLine, segments: Segments, moments: tuple[datetime, datetime] | None
    ) -> Query:
        by, measure = self._question.by, self._question.measure
        if measure.name == NEW:
            texts = {
                "firsts": self._firsts(),
                "moments": self._between(moments) if moments else "1",
            }
            return Query(load_filled("trend_new_users", texts), self._parameters)
        days = days_of(self._source, self._start, self._end, self._zone)
        self._parameters |= days.parameters
        number = numbers_of(measure.field, self._bind) if measure.field else None
        texts = {
            "value": value_as_text(by, self._bind) if by else "NULL",
            "range": days.sql,
            "moments": self._between(moments) if moments else "1",
            "number": f"isNotNull({number.double})" if number else "1",
            "line": self._of_line(line, segments),
        }
        return Query(self._filled("trend_users", texts), self._parameters)

    def _between(self, moments: tuple[datetime, datetime]) -> str:
        names = ("first_moment", "next_moment")
        first, following = (
            self._bind(name, "DateTime64(3, 'UTC')", f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}")
            for name, moment in zip(names, moments, strict=True)
        )
        return f"occurred_at >= {first} AND occurred_at < {following}"

    def _of_line(self, line: OfLine, segments: Segments) -> str:
        if line.value is not None:
            return f"value = {self._bind('line_value', 'String', line.value)}"
        if line.rest is None:
            return "1"
        if line.rest == "unset":
            return "isNull(value)"
        # These are the first values of the range, also in the period that is compared.
        question = self._question
        main = _Plan(question, segments, question.start, question.end, None, prefix="main")
        top, parameters = main.first_values()
        self._parameters |= parameters
        return f"isNotNull(value) AND NOT has({top}, value)"

    def first_values(self) -> Query:
        """SQL for an array of the first values of the field."""
        assert self._question.by is not None
        order = measure_sql(self._question.measure, self._source, self._bind).order
        top = self._top(value_as_text(self._question.by, self._bind), order)
        return Query(top, {**self._parameters, "n": self._question.top})

    def new(self) -> dict[int, Found]:
        """The users whose first event of all is in the range, by its bucket."""
        bucket = KEYS[self._question.unit].replace("{day}", self._source.day)
        self._parameters |= parameters(self._question.unit, self._start, self._end, self._zone)
        rows = self._ask("trend_new", {"bucket": bucket, "firsts": self._firsts()})
        numbers = {bucket: Number(int(users)) for bucket, users in rows}
        total = Number(sum(int(users) for _, users in rows))
        return {WHOLE: Found(total=total, numbers=numbers)}

    def _firsts(self) -> str:
        found = firsts(self._source, self._where, (self._start, self._end), self._zone)
        self._parameters |= found.parameters
        return found.sql

    def rolling(self) -> dict[int, Found]:
        """The numbers of days, by the days since 1970."""
        width = ROLLING[self._question.measure.name]
        first = self._start - timedelta(days=width - 1)
        wide = days_of(self._source, first, self._end, self._zone, prefix="wide_")
        texts = {
            "day": self._source.day,
            "range": wide.sql,
            "top": "[]",
            "place": f"{WHOLE}",
            "shown": "''",
            "place and": "",
            "place_ and": "",
            "with value": "",
        }
        start_day = (self._start - FIRST_DAY).days
        self._parameters |= {**wide.parameters, "width": width, "start_day": start_day}
        if self._question.by is not None:
            texts |= self._field("uniqExact(user_hash)")
            texts |= {
                "place": "place",
                "shown": "top[place]",
                "place and": "place,",
                "place_ and": "place_ AS place,",
            }
        return self._summed(self._ask("trend_rolling", texts))

    def _summed(self, rows: Iterable[list[Any]]) -> dict[int, Found]:
        steps: dict[int, dict[int, int]] = defaultdict(dict)
        found: dict[int, Found] = defaultdict(Found)
        for place, shown, mark, at, step in rows:
            if at == _RANGE:
                found[place].value, found[place].mark = shown, mark
            steps[place][at] = int(step)
        first, last = (self._start - FIRST_DAY).days, (self._end - FIRST_DAY).days
        for place, one in found.items():
            one.total = Number(steps[place].get(_RANGE, 0))
            users = 0
            for day in range(first, last + 1):
                users += steps[place].get(day, 0)
                one.numbers[day] = Number(users)
        return found

    def _field(self, measure: str) -> dict[str, str]:
        """The parts of a query that are about the values of the field."""
        assert self._question.by is not None
        value = value_as_text(self._question.by, self._bind)
        self._parameters |= {"n": self._question.top}
        if self._marks is None:
            top = self._top(value, measure)
            known_by = "assumeNotNull(value)"
        else:
            top = self._bind("marks", "Array(String)", [*self._marks])
            known_by = "hex(sipHash128(assumeNotNull(value)))"
        place = load_filled("trend_place", {"known by": known_by})
        with_value = f"WITH {value} AS value, {place} AS place_"
        return {
            "top": top,
            "value": value,
            "place of the value": place,
            "with value": with_value,
        }

    def _top(self, value: str, measure: str) -> str:
        start, end = self._question.start, self._question.end
        self._parameters |= range_parameters(start, end, self._zone, prefix="top_")
        texts = {
            "value": value,
            "measure": measure,
            "range of top": range_of(self._source, self._zone, prefix="top_"),
        }
        return self._filled("trend_top", texts)

    def _bind(self, name: str, type_name: str, value: object) -> str:
        self._parameters[f"trend_{name}"] = value
        return f"{{trend_{name}:{type_name}}}"

    def _ask(self, name: str, texts: dict[str, str]) -> list[list[Any]]:
        sql = self._filled(name, texts)
        return ask(
            name,
            sql,
            project=self._question.project,
            parameters=self._parameters,
            until=self._question.deadline,
        )

    def _filled(self, name: str, texts: dict[str, str]) -> str:
        return load_filled(name, {"source": self._source.table, "segments": self._where, **texts})
