"""The admin's date drill-down for large tables: year, month, day and hour.

Django's own `date_hierarchy` asks for the distinct days of a table, which reads every row. This
filter asks an index for the first and the last moment, and offers every period between them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Field, Max, Min, Model, QuerySet
from django.http import HttpRequest

_FORMATS = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d %H:00")
_MONTH, _DAY, _HOUR = 1, 2, 3
# After these years `end` would be no valid date. Before them, strftime writes years with fewer
# digits.
_YEARS = range(1000, 9999)


class Period(NamedTuple):
    """A year, month, day or hour in UTC; `level` counts from 0 for the year."""

    start: datetime
    level: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The period that a label names; raises ValueError."""
        for level, form in enumerate(_FORMATS):
            try:
                start = datetime.strptime(text, form).replace(tzinfo=UTC)
            except ValueError:
                continue
            if start.year in _YEARS:
                return cls(start, level)
        raise ValueError(f"{text!r} is not a year, month, day or hour")

    @classmethod
    def around(cls, moment: datetime, level: int) -> Self:
        text = moment.astimezone(UTC).strftime(_FORMATS[level])
        return cls(datetime.strptime(text, _FORMATS[level]).replace(tzinfo=UTC), level)

    @property
    def label(self) -> str:
        return self.start.strftime(_FORMATS[self.level])

    @property
    def end(self) -> datetime:
        """The first moment after the period."""
        if self.level >= _DAY:
            return self.start + timedelta(**{"days" if self.level == _DAY else "hours": 1})
        year, month = divmod(self.start.month - 1 + (1 if self.level == _MONTH else 12), 12)
        return self.start.replace(year=self.start.year + year, month=month + 1)

    def parents(self) -> list["Period"]:
        """The larger periods that hold this period, largest first."""
        return [Period.around(self.start, level) for level in range(self.level)]


def periods(first: datetime, last: datetime, level: int) -> Iterator[Period]:
    """Every period of a level from the one around `first` to the one around `last`."""
    period = Period.around(first, level)
    while period.start <= last:
        yield period
        period = Period(period.end, level)


def parts(first: datetime, last: datetime) -> Iterator[Period]:
    """The largest periods of which more than one lies between two moments; otherwise the hours."""
    for level in range(_HOUR):
        if Period.around(first, level) != Period.around(last, level):
            return periods(first, last, level)
    return periods(first, last, _HOUR)


class DateDrillDown(admin.FieldListFilter):
    """A list filter for an indexed moment: the chosen period, those around it and those in it."""

    def __init__(
        self,
        field: "Field[Any, Any]",
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: "admin.ModelAdmin[Any]",
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        self._chosen = self._parsed(self.used_parameters.get(field_path))
        ends = self.rows(request, model).aggregate(first=Min(field_path), last=Max(field_path))
        self._first, self._last = ends["first"], ends["last"]

    def rows(self, request: HttpRequest, model: type[Model]) -> QuerySet[Any]:
        """The rows whose first and last moment bound the choice."""
        return model._default_manager.all()

    def _parsed(self, values: Any) -> Period | None:
        try:
            return Period.parse(values[-1]) if values else None
        except ValueError as error:
            raise IncorrectLookupParameters(error) from error

    def expected_parameters(self) -> list[str | None]:
        return [self.field_path]

    def has_output(self) -> bool:
        return self._first is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self._chosen is None:
            return queryset
        bounds = {"gte": self._chosen.start, "lt": self._chosen.end}
        return queryset.filter(**{f"{self.field_path}__{op}": at for op, at in bounds.items()})

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        name, chosen = self.field_path, self._chosen
        yield {
            "selected": chosen is None,
            "query_string": changelist.get_query_string(remove=[name]),
            "display": "All",
        }
        for period in (*self._above(), *self._below()):
            yield {
                "selected": period == chosen,
                "query_string": changelist.get_query_string({name: period.label}),
                "display": period.label,
            }

    def _above(self) -> list[Period]:
        return [*self._chosen.parents(), self._chosen] if self._chosen else []

    def _below(self) -> list[Period]:
        """The periods inside the chosen period, newest first like the list itself."""
        if self._chosen is None:
            return [*parts(self._first, self._last)][::-1]
        first = max(self._first, self._chosen.start)
        last = min(self._last, self._chosen.end - timedelta(milliseconds=1))
        if self._chosen.level == _HOUR or last < first:
            return []
        return [*periods(first, last, self._chosen.level + 1)][::-1]
