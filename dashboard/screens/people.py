"""The people behind a number, the search for people, and the timeline of one."""

from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from django.http import HttpRequest, QueryDict

from analytics.api.report import Report
from analytics.api.reports import all_reports
from analytics.discovery.typed import written
from analytics.parameters import zone_asked
from analytics.people import finding, person
from analytics.people.listing import MAX_LIMIT, People, parse_cursor, people_of
from analytics.people.views import parse_prefix
from analytics.segments.expressions import ALL, Field
from config.api.problems import Problem
from config.api.query_parameters import problem
from dashboard import numbers
from dashboard.charts.bars import bars
from dashboard.files import File, csv
from dashboard.numbers import Change
from dashboard.pages import Filled, Page, Panel
from dashboard.state import State, number_query_of, people_behind
from events.api.query_parameters import timeline_page
from events.api.timeline import timeline
from events.format.inspection import FieldError, check_name

_LIMIT = 50
_PATH = "/dashboard/people"
# Parameters of a number that tell a reader nothing.
_UNTOLD = ("project", "limit", "compare", "from", "to")
_REPORTS = {"trends": "Trends", "funnel": "Funnel", "cohorts": "Retention"}
_REPORTS |= {"top-events": "Top events"}
# What a reader calls the parameters of a number.
_CALLED = {
    **{"at": "On", "unit": "By", "measure": "Measure"},
    **{"by": "A line for each", "value": "Value", "line": "Line", "series": "Series"},
    **{"segment": "Only events", "event_type": "Event", "period": "Periods later"},
    **{"step": "Step", "window": "Within", "order": "Order", "reached": "Reached step"},
    **{"dropped": "Stopped before step", "start": "Began with", "return": "Came again with"},
}
_SAME = Change("", "same")
_NOBODY = "There is no such user."


def people_link(state: State, report: str, query: QueryDict, **number: Any) -> str:
    """The address of the people behind a number of a report; none on a page for strangers."""
    if state.is_shared:
        return ""
    pairs = [(name, value) for name, values in query.lists() for value in values]
    return f"{_PATH}?{urlencode([('behind', report), *pairs, *number.items()])}"


def _listed(request: HttpRequest, state: State) -> Filled:
    found = _behind(request, state) if "behind" in state.given else _searched(request, state)
    zone = ZoneInfo(state.zone)
    return {
        "total": numbers.whole(found.total),
        "people": [
            {
                "id": user.user_id,
                "link": person_link(state, user.user_id),
                "first_seen": _moment(user.first_seen, zone),
                "last_seen": _moment(user.last_seen, zone),
            }
            for user in found.users
        ],
        "next": state.link(_PATH, cursor=found.next) if found.next else "",
        "is_behind": "behind" in state.given,
        "is_first": not found.total and not {"behind", "prefix", "cursor"} & {*state.given},
        "overview": state.link("/dashboard/", without={*state.given} - {"project"}),
        "files": [_csv(state, found.total)] if found.users else [],
    }


def _csv(state: State, total: int) -> File:
    """The people as the API lists them, in one page."""
    text = "CSV" if total <= MAX_LIMIT else f"The first {MAX_LIMIT:,} as CSV"
    path, query = "/users", QueryDict(mutable=True)
    if "behind" in state.given:
        report = _report(state.given.get("behind", ""))
        path, query = f"/stats/{report.path}/users", number_query_of(state, report)
    else:
        for name in ("project", "prefix"):
            query.setlist(name, [text for text in state.given.getlist(name) if text])
    query["limit"] = str(MAX_LIMIT)
    return csv(path, query, text)


def _behind(request: HttpRequest, state: State) -> People:
    report = _report(state.given.get("behind", ""))
    users, asked = people_behind(request, report, number_query_of(state, report))
    return people_of(
        users.sql,
        users.parameters,
        project=asked["project"],
        limit=_LIMIT,
        cursor=_cursor(state),
        name=f"{report.operation}_users",
    )


def _report(path: str) -> Report:
    for report in all_reports():
        if report.path == path and report.people:
            return report
    raise problem([{"parameter": "behind", "message": "is no report that has people"}])


def _searched(request: HttpRequest, state: State) -> People:
    project: int = request.project  # type: ignore[attr-defined]
    return finding.search(
        project=project,
        zone=zone_asked(project, None),
        segments=ALL,
        start=None,
        end=None,
        prefix=_prefix(state),
        limit=_LIMIT,
        cursor=_cursor(state),
    )


def _prefix(state: State) -> str:
    try:
        return parse_prefix(state.given.get("prefix", ""))
    except ValueError as error:
        raise problem([{"parameter": "prefix", "message": str(error)}]) from None


def _cursor(state: State) -> Any:
    text = state.given.get("cursor")
    try:
        return parse_cursor(text) if text else None
    except ValueError as error:
        raise problem([{"parameter": "cursor", "message": str(error)}]) from None


def person_link(state: State, user_id: str) -> str:
    return f"{_PATH}/one?{urlencode({**state.of_project, 'id': user_id})}"


def _day(text: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(text).astimezone(zone).date().isoformat()


def _moment(text: str, zone: ZoneInfo) -> str:
    return numbers.moment(datetime.fromisoformat(text), zone)


def _search(request: HttpRequest, state: State) -> Filled:
    return {
        "prefix": state.given.get("prefix", ""),
        "project": state.given.get("project", ""),
        "is_behind": "behind" in state.given,
        "about": _about(state),
        "everybody": state.link(_PATH, without=set(state.given) - {"project"}),
    }


def _id(state: State) -> str:
    """The id that the address names. Raises Problem if no user can have it."""
    try:
        return check_name("user_id", state.given.get("id", ""))
    except FieldError:
        raise Problem(404, _NOBODY) from None


def _about(state: State) -> list[tuple[str, str]]:
    """What the number is, behind which these people are: its report and its parameters."""
    if "behind" not in state.given:
        return []
    report = _report(state.given.get("behind", ""))
    query = number_query_of(state, report)
    unit = query.get("unit", "")
    told = [
        ("Beginning", _day_told(text))
        if name == "at" and unit != "day"
        else (_CALLED.get(name, name), _day_told(text) if name == "at" else text)
        for name, texts in query.lists()
        for text in texts
        if name not in _UNTOLD
    ]
    days = [("Days", state.days_in_words)] if "from" in query else []
    return [("Report", _REPORTS.get(report.path, report.path)), *days, *told]


def _day_told(text: str) -> str:
    """Such as Tue 3 Nov 2026, with the hour if it has one; any other text itself."""
    with suppress(ValueError):
        at = datetime.fromisoformat(text)
        return numbers.full_day(at) + (f", {at:%H:%M}" if "T" in text else "")
    return text


def _summary(request: HttpRequest, state: State) -> Filled:
    project: int = request.project  # type: ignore[attr-defined]
    found = person.summary(_id(state), project=project)
    if found is None:
        return {"is_new": True}
    zone = ZoneInfo(state.zone)
    days = {"from": _day(found.first_seen, zone), "to": _day(found.last_seen, zone)}
    return {
        "events": numbers.whole(found.events),
        "first_seen": _moment(found.first_seen, zone),
        "last_seen": _moment(found.last_seen, zone),
        "bars": bars(
            [
                (one.event_type, one.events, _trend_link(state, days, one.event_type), _SAME)
                for one in found.event_types[:10]
            ]
        ),
    }


def _trend_link(state: State, days: dict[str, str], event_type: str) -> str:
    """When this person had these events."""
    of_person = written("", Field("user_id"), _id(state))
    of_type = written("", Field("event_type"), event_type)
    query: dict[str, Any] = {"measure": "events", **days, "segment": [of_person, of_type]}
    query |= state.of_project
    return f"/dashboard/trends?{urlencode(query, doseq=True)}"


def _timeline(request: HttpRequest, state: State) -> Filled:
    project: int = request.project  # type: ignore[attr-defined]
    page = QueryDict(mutable=True)
    if "cursor" in state.given:
        page["cursor"] = state.given.get("cursor", "")
    found = timeline(project=project, user_id=_id(state), page=timeline_page(page)) or {
        "events": [],
        "next": None,
    }
    zone = ZoneInfo(state.zone)
    days: dict[str, list[dict[str, Any]]] = {}
    for event in found["events"]:
        at = datetime.fromisoformat(str(event["occurred_at"])).astimezone(zone)
        days.setdefault(numbers.full_day(at.date()), []).append(
            {
                "time": f"{at:%H:%M:%S}",
                "type": event["event_type"],
                "properties": properties_of(event["properties"]),
            }
        )
    return {
        "days": list(days.items()),
        "next": state.link(f"{_PATH}/one", cursor=found["next"]) if found["next"] else "",
    }


def properties_of(raw: Any) -> list[tuple[str, str]]:
    """Each key of the first level with its value as JSON, texts as they are."""
    found = msgspec.json.decode(msgspec.json.encode(raw))
    return [
        (key, value if isinstance(value, str) else msgspec.json.encode(value).decode())
        for key, value in found.items()
    ]


PAGE = Page(
    "people",
    "People",
    "people",
    panels=(Panel("people", "People", _listed),),
    fill=_search,
    has_views=True,
    lists_people=True,
)
PERSON = Page(
    "person",
    "Person",
    "people/one",
    panels=(Panel("person", "Summary", _summary), Panel("timeline", "Timeline", _timeline)),
    fill=lambda request, state: {"id": state.given.get("id", "")},
)
