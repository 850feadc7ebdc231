"""The HTTP endpoints of people."""

from datetime import date

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from analytics.api.table import parse_format, table
from analytics.api.view import ReportView
from analytics.parameters import read_report, report_day
from analytics.people import finding, openapi, person
from analytics.people.listing import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    PERSON_BYTES,
    People,
    Person,
    parse_cursor,
)
from config.api.problems import Problem
from config.api.query_parameters import problem, read, text_up_to, whole_number
from config.memory import room
from projects.of_request import project_of

NOBODY = "There is no such user."
# Memory of a row for one event type: from ClickHouse, as an object and as JSON.
_TYPE_BYTES = 4_000
PARSERS = {"cursor": parse_cursor, "limit": whole_number(1, MAX_LIMIT), "format": parse_format}
# No id is longer.
parse_prefix = text_up_to(200, of="user_id")


class PeopleView(ReportView):
    """`/users`: the people of a project."""

    @openapi.get_users
    def get(self, request: Request) -> HttpResponse:
        own = {"from": report_day, "to": report_day, "prefix": parse_prefix}
        values, asked = read_report(request, {**PARSERS, **own}, required=())
        _check_days(values["from"], values["to"], asked["zone"].today())
        limit = values["limit"] or DEFAULT_LIMIT
        room.need_for_answer(PERSON_BYTES * limit)
        found = finding.search(
            **asked,
            start=values["from"],
            end=values["to"],
            prefix=values["prefix"] or "",
            limit=limit,
            cursor=values["cursor"],
        )
        return answer(request, found, values["format"], name="users")


class PersonView(ReportView):
    """`/users/{id}`: one person."""

    @openapi.get_user
    def get(self, request: Request, user_id: str) -> Response:
        read(request.query_params, {})
        project = project_of(request)
        room.need_for_answer(_TYPE_BYTES * person.MAX_TYPES)
        found = person.summary(user_id, project=project)
        if found is None:
            raise Problem(404, NOBODY)
        return Response(
            {**found._asdict(), "event_types": [it._asdict() for it in found.event_types]}
        )


def answer(request: Request, found: People, format: str | None, *, name: str) -> HttpResponse:
    """A page of people. As CSV, the address of the next page is in the header `Link`."""
    users = [user._asdict() for user in found.users]
    if format != "csv":
        return Response({**found._asdict(), "users": users})
    made = table(name, users, Person._fields)
    if found.next:
        given = request.query_params.copy()
        given["cursor"] = found.next
        made["Link"] = f'<?{given.urlencode()}>; rel="next"'
    return made


def _check_days(start: date | None, end: date | None, today: date) -> None:
    if start and start > (end or today):
        message = "from is after to" if end else "from is after today; give to as well"
        raise problem([{"parameter": "from", "message": message}])
