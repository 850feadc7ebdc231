"""The people behind a number of a report: `/stats/{report}/users`."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from analytics.api.openapi import ERRORS, FORMAT, SEGMENTS, answers, parameter
from analytics.api.report import Parameter, People, Report
from analytics.api.view import ReportView, read_values
from analytics.people.listing import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    PERSON_BYTES,
    parse_cursor,
    people_of,
)
from analytics.people.openapi import EXAMPLE, PAGE, PAGES
from analytics.people.views import answer
from config.api.openapi import COMMON_PARAMETERS
from config.api.query_parameters import whole_number
from config.memory import room

_View = TypeVar("_View", bound=Callable[..., Any])
# `PAGES` documents these.
_OF_PAGES = (
    Parameter("limit", whole_number(1, MAX_LIMIT), {}, default=DEFAULT_LIMIT),
    Parameter("cursor", parse_cursor, {}),
)


def view_of_people(report: Report, people: People) -> Any:
    """The view of the people behind a report's numbers."""

    class View(ReportView):
        advice = report.advice

        @_documented(report, people)
        def get(self, request: Request) -> HttpResponse:
            return _answered(report, people, request)

    View.__name__ = f"{report.operation}_users_view"
    return View.as_view()


def _answered(report: Report, people: People, request: Request) -> HttpResponse:
    values, asked = read_values(request, [*_parameters(report, people), *_OF_PAGES])
    report.check(values)
    people.check(values)
    room.need_for_answer(PERSON_BYTES * values["limit"])
    users = people.users(values, asked)
    found = people_of(
        users.sql,
        users.parameters,
        project=asked["project"],
        limit=values["limit"],
        cursor=values["cursor"],
        name=f"{report.operation}_users",
    )
    return answer(request, found, values["format"], name=f"{report.path}-users")


def _parameters(report: Report, people: People) -> list[Parameter]:
    """Those of the report and of the number. A report's own limit is not that of a page."""
    pages = {one.name for one in _OF_PAGES}
    return [*(one for one in report.parameters if one.name not in pages), *people.parameters]


def _documented(report: Report, people: People) -> Callable[[_View], _View]:
    return extend_schema(
        operation_id=f"{report.operation}_users",
        summary=f"The users behind a number: {report.summary[0].lower()}{report.summary[1:]}",
        parameters=[
            *map(parameter, _parameters(report, people)),
            *(*PAGES, *SEGMENTS, FORMAT),
            *COMMON_PARAMETERS,
        ],
        responses={**answers(PAGE, people.description, EXAMPLE), **ERRORS},
    )
