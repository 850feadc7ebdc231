"""`/users/{id}/events`: the timeline of a person."""

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from analytics.api.view import ReportView
from analytics.people.views import NOBODY
from config.api.problems import Problem
from config.building_blocks import unavailable
from events.api.pages_openapi import get_user_events
from events.api.query_parameters import timeline_page
from events.api.timeline import timeline
from events.format.inspection import FieldError, check_name
from projects.of_request import project_of


class UserEventsView(ReportView):
    """All events of a person, newest first. It needs both stores."""

    @get_user_events
    def get(self, request: Request, user_id: str) -> HttpResponse:
        project = project_of(request)
        page = timeline_page(request.query_params)
        try:
            check_name("user_id", user_id)
            found = timeline(project=project, user_id=user_id, page=page)
        except FieldError:
            found = None
        except unavailable.POSTGRESQL:
            problem = "PostgreSQL can't be reached."
            raise Problem(503, problem, headers={"Retry-After": "5"}) from None
        if found is None:
            raise Problem(404, NOBODY)
        return HttpResponse(msgspec.json.encode(found), content_type="application/json")
