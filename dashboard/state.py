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
from analytics.parameters import Asked, report_day, zone_asked
from analytics.queries import Query
from config.api.query_parameters import problem
from projects.of_request import zone_of

# Names of ranges that end today, and their days.
RANGES = {"today": 1, "7d": 7, "30d": 30, "90d": 90, "12m": 365}
_LABELS = {
    "today": "Today",
    "7d": "7 days",
    "30d": "30 days",
    "90d": "90 days",
    "12m": "12 months",
}
DEFAULT_RANGE = "30d"
# Parameters of pages and not of reports.
OWN = ("range", "script")


class Choice(NamedTuple):
    """Something to choose: its text, its address, and whether it is chosen now."""

    text: str
    link: str
    is_chosen: bool


class State(NamedTuple):
    """The days of a page, the name of their range if it has one, and all that its address says."""

    start: date
    end: date
    range: str
    given: QueryDict

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    def link(self, path: str = "", *, without: Iterable[str] = (), **changed: Any) -> str:
        """The address of a page with the same state, but for what changes; None takes it away."""
        found = [
            (name, value)
            for name, values in self.given.lists()
            if name not in changed and name not in without
            for value in values
        ]
        added = [(name, value) for name, value in changed.items() if value is not None]
        return f"{path}?{urlencode(found + added)}"

    def ranges(self) -> list[Choice]:
        return [
            Choice(
                _LABELS[name],
                self.link(without=("from", "to"), range=name),
                name == self.range,
            )
            for name in RANGES
        ]


def state_of(request: HttpRequest) -> State:
    """Raises Problem if the days are wrong."""
    given = request.GET
    today = _today(request)
    if "from" in given or "to" in given:
        start, end = (_day(given, name, today) for name in ("from", "to"))
        return State(start, end, "", given)
    name = given.get("range", DEFAULT_RANGE)
    if name not in RANGES:
        raise problem([{"parameter": "range", "message": f"must be one of {', '.join(RANGES)}"}])
    return State(today - timedelta(days=RANGES[name] - 1), today, name, given)


def _today(request: HttpRequest) -> date:
    project: int = request.project  # type: ignore[attr-defined]
    return zone_asked(project, zone_of(project)).today()


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
    """The query by which the API answers the same: what the page and the report both know."""
    known = {one.name for one in report.parameters}
    query = QueryDict(mutable=True)
    for name, values in state.given.lists():
        if name in known or _is_of_all_reports(name):
            query.setlist(name, values)
    if {"from", "to"} <= known:
        query["from"], query["to"] = state.start.isoformat(), state.end.isoformat()
    for name, value in more.items():
        query.setlist(name, value if isinstance(value, list) else [str(value)])
    return query


def _is_of_all_reports(name: str) -> bool:
    return name in ("segment", "tz", "project") or name.startswith("or.")


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
