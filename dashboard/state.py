"""What the address of a page says: the days, and the parameters of its reports.

All of a page's state is in its address. So a page can be shared, reloaded and used without script.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

from analytics.api.report import People, Report
from analytics.api.view import read_values
from analytics.parameters import Asked, check_range, report_day, zone_asked
from analytics.queries import Query
from analytics.segments.parsing import GROUP
from analytics.zones import Zone, checked
from config.api.query_parameters import problem
from dashboard import numbers

# Names of ranges that end today, and their days.
RANGES = {"today": 1, "7d": 7, "30d": 30, "90d": 90, "12m": 365}
LABELS = {
    "today": "Today",
    "7d": "7 days",
    "30d": "30 days",
    "90d": "90 days",
    "12m": "12 months",
}
DEFAULT_RANGE = "30d"
# `script=no` in the address says that the browser runs no script.
NO_SCRIPT = "no"
# What other days replace: the place in a list is that of a list of these days.
OF_DAYS = ("range", "from", "to", "cursor")


class Choice(NamedTuple):
    """Something to choose: its text, its address, and whether it is chosen now."""

    text: str
    link: str
    is_chosen: bool


class State(NamedTuple):
    """The days of a page, the name of their range if it has one, and all that its address says.

    `zone` is the name of the time zone whose days they are. A page that is shared with strangers
    has no links. A panel on a dashboard shows numbers, and no forms.
    """

    start: date
    end: date
    range: str
    zone: str
    given: QueryDict
    is_shared: bool = False
    is_on_a_dashboard: bool = False

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    @property
    def of_project(self) -> dict[str, str]:
        """The project as it stands in an address; empty if the address names none."""
        slug = self.given.get("project")
        return {} if slug is None else {"project": slug}

    def link(self, path: str = "", *, without: Iterable[str] = (), **changed: Any) -> str:
        """The address of a page with the same state, but for what changes.

        A list becomes as many parameters, and None takes one away.
        """
        found = [
            (name, value)
            for name, values in self.given.lists()
            if name not in changed and name not in without
            for value in values
        ]
        added = [
            (name, value)
            for name, values in changed.items()
            if values is not None
            for value in (values if isinstance(values, list) else [values])
        ]
        return f"{path}?{urlencode(found + added)}"

    @property
    def segments(self) -> list[tuple[str, str]]:
        """Parameter and text of each segment by which the reports of a page choose their events."""
        return [
            (name, text)
            for name, texts in self.given.lists()
            if name == "segment" or GROUP.fullmatch(name)
            for text in texts
            if text
        ]

    def chips(self) -> list[tuple[str, str]]:
        """Each segment, and the address of the page without it."""
        return [(text, self._link_without(name, text)) for name, text in self.segments]

    def _link_without(self, name: str, text: str) -> str:
        left = [it for it in self.given.getlist(name) if it not in ("", text)]
        kept = [pair for pair in self._pairs() if pair[0] != name]
        return f"?{urlencode([*kept, *((name, it) for it in left)])}"

    def _pairs(self) -> list[tuple[str, Any]]:
        return [(name, text) for name, texts in self.given.lists() for text in texts]

    def ranges(self) -> list[Choice]:
        return [
            Choice(
                LABELS[name],
                self.link(without=OF_DAYS, range=name),
                name == self.range,
            )
            for name in RANGES
        ]

    @property
    def days_in_words(self) -> str:
        """Such as 1 Nov to 30 Nov 2026, with a dash."""
        return numbers.period(self.start, self.end)

    @property
    def chosen_days(self) -> str:
        """The days in words if the address names them; empty if it names a range."""
        return self.days_in_words if {"from", "to"} & {*self.given} else ""

    @property
    def beside_days(self) -> list[tuple[str, Any]]:
        """What stays in the address when a form names other days."""
        return [pair for pair in self._pairs() if pair[0] not in OF_DAYS]


def state_of(request: HttpRequest) -> State:
    """Raises Problem if the days are wrong."""
    return _state_of(request)._replace(
        is_shared=getattr(request, "is_shared", False),
        is_on_a_dashboard=getattr(request, "is_on_a_dashboard", False),
    )


def _state_of(request: HttpRequest) -> State:
    given = request.GET
    zone = _zone(request, given)
    today = zone.today()
    if "from" in given or "to" in given:
        start, end = (_day(given, name, today) for name in ("from", "to"))
        check_range(start, end)
        return State(start, end, "", zone.name, given)
    name = given.get("range", DEFAULT_RANGE)
    if name not in RANGES:
        raise problem([{"parameter": "range", "message": f"must be one of {', '.join(RANGES)}"}])
    return State(today - timedelta(days=RANGES[name] - 1), today, name, zone.name, given)


def _zone(request: HttpRequest, given: QueryDict) -> Zone:
    project: int = request.project  # type: ignore[attr-defined]
    try:
        name = checked(given.get("tz", "")) if "tz" in given else None
    except ValueError as error:
        raise problem([{"parameter": "tz", "message": str(error)}]) from None
    return zone_asked(project, name)


def _day(given: QueryDict, name: str, today: date) -> date:
    text = given.get(name)
    if not text:
        if name == "to":
            return today
        raise problem([{"parameter": name, "message": "is missing"}])
    try:
        return report_day(text)
    except ValueError as error:
        raise problem([{"parameter": name, "message": str(error)}]) from None


class _Asking(NamedTuple):
    """What `read_values` looks at of a request of DRF."""

    query_params: QueryDict
    GET: QueryDict
    auth: Any


def query_of(state: State, report: Report, **more: Any) -> QueryDict:
    """The query by which the API answers the same, without the report's own parameters.

    Of the address it has what all reports know: days, zone, project and segments.
    """
    query = QueryDict(mutable=True)
    for name in ("project", "tz"):
        if name in state.given:
            query.setlist(name, state.given.getlist(name))
    for name, text in state.segments:
        query.appendlist(name, text)
    if {"from", "to"} <= _names(report):
        query["from"], query["to"] = state.start.isoformat(), state.end.isoformat()
    for name, value in more.items():
        query.setlist(name, value if isinstance(value, list) else [str(value)])
    return query


def chosen_query_of(state: State, report: Report, **more: Any) -> QueryDict:
    """The same with the report's own parameters that the address has, but for empty ones."""
    own = {
        name: texts
        for name, given in state.given.lists()
        if name in _names(report) - {"from", "to"} and (texts := [text for text in given if text])
    }
    return query_of(state, report, **{**own, **more})


def _names(report: Report) -> set[str]:
    return {one.name for one in report.parameters}


def number_query_of(state: State, report: Report) -> QueryDict:
    """The query of the people behind a number: of the address, what their report knows."""
    assert report.people
    known = {*_names(report), *(one.name for one in report.people.parameters), "tz", "project"}
    query = QueryDict(mutable=True)
    for name, texts in state.given.lists():
        if name in known:
            query.setlist(name, texts)
    for name, text in state.segments:
        query.appendlist(name, text)
    return query


def answer_of(request: HttpRequest, report: Report, query: QueryDict) -> Any:
    """What the API answers to this query. Raises what the report raises."""
    values, asked = _read(request, report, query)
    report.check(values)
    return report.answer(values, asked)


def _read(
    request: HttpRequest, report: Report, query: QueryDict, people: People | None = None
) -> tuple[Mapping[str, Any], Asked]:
    parameters = [*report.parameters, *(people.parameters if people else ())]
    asking: Any = _Asking(query, query, getattr(request, "auth", None))
    return read_values(asking, parameters)


def people_behind(request: HttpRequest, report: Report, query: QueryDict) -> tuple[Query, Asked]:
    """SQL of the people behind a number of a report. Raises what the report raises."""
    assert report.people
    values, asked = _read(request, report, query, report.people)
    report.check(values)
    report.people.check(values)
    return report.people.users(values, asked), asked
