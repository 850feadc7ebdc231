"""The HTTP endpoints of saved segments."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Sum
from django.db.models.functions import Length
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.clickhouse import ClickHouseUnavailable
from analytics.models import SavedSegment
from analytics.segments import openapi, saved
from analytics.segments.expressions import InvalidSegment
from config.api.problems import Problem
from config.api.query_parameters import read
from config.building_blocks import unavailable
from config.memory import room
from projects import access
from projects.models import Project
from projects.of_request import NONE, project_of

_FIELDS = ("name", "text")
_NONE = "There is no such saved segment."
# Memory of an answer, by the characters of its texts: as they arrive, as text, and as JSON.
_TIMES = 12


class _View(APIView):
    """Answers 503 where a store can't be reached."""

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, unavailable.POSTGRESQL):
            exc = Problem(503, "PostgreSQL can't be reached.")
        elif isinstance(exc, ClickHouseUnavailable):
            exc = Problem(503, "ClickHouse, which checks patterns, can't be reached.")
        return super().handle_exception(exc)


class SavedSegmentsView(_View):
    """`/segments`: the saved segments of a project."""

    scopes = {"GET": access.READ, "POST": access.EDIT}
    parser_classes = [JSONParser]

    @openapi.get_segments
    def get(self, request: Request) -> Response:
        read(request.query_params, {})
        rows = SavedSegment.objects.filter(project=project_of(request)).order_by("name")
        length = rows.aggregate(total=Sum(Length("text")))["total"] or 0
        room.need_for_answer(_TIMES * length)
        return Response([_shown(row) for row in rows])

    @openapi.post_segments
    def post(self, request: Request) -> Response:
        read(request.query_params, {})
        row = SavedSegment(project_id=project_of(request), **_body(request.data))
        _store(request, row)
        return Response(_shown(row), status=201)


class SavedSegmentView(_View):
    """`/segments/{id}`: one saved segment."""

    scopes = {"PUT": access.EDIT, "DELETE": access.EDIT}
    parser_classes = [JSONParser]

    @openapi.put_segment
    def put(self, request: Request, pk: int) -> Response:
        row = _found(request, pk)
        row.name, row.text = (_body(request.data)[name] for name in _FIELDS)
        _store(request, row)
        return Response(_shown(row))

    @openapi.delete_segment
    def delete(self, request: Request, pk: int) -> Response:
        row = _found(request, pk)
        try:
            saved.delete(row)
        except saved.InUse as error:
            raise Problem(409, f"{row.name!r} can't be deleted: {error}.") from None
        return Response(status=204)


def _found(request: Request, pk: int) -> SavedSegment:
    read(request.query_params, {})
    row = SavedSegment.objects.filter(project=project_of(request), pk=pk).first()
    if row is None:
        raise Problem(404, _NONE)
    return row


def _shown(row: SavedSegment) -> dict[str, Any]:
    names = ("id", "name", "text", "saved_by", "saved_at")
    return {name: getattr(row, name) for name in names}


def _body(data: Any) -> dict[str, str]:
    if not isinstance(data, dict) or data.keys() != {*_FIELDS}:
        raise Problem(400, "The body must be an object with name and text.")
    if not all(isinstance(value, str) for value in data.values()):
        raise Problem(400, "name and text must be strings.")
    return data


def _store(request: Request, row: SavedSegment) -> None:
    row.saved_by = getattr(request.user, "username", "")
    try:
        saved.store(row)
    except InvalidSegment as error:
        raise _wrong({"text": [str(error)]}) from None
    except ValidationError as error:
        if "__all__" in error.message_dict:
            raise Problem(409, "The project has a segment of this name.") from None
        raise _wrong(error.message_dict) from None
    except saved.InUse as error:
        raise Problem(409, f"It can't be renamed: {error}.") from None
    except saved.TooMany as error:
        raise Problem(409, f"Not saved: {error}.") from None
    except (SavedSegment.DoesNotExist, Project.DoesNotExist):
        raise Problem(404, _NONE if row.pk else NONE) from None


def _wrong(messages: dict[str, list[str]]) -> Problem:
    errors = [{"field": name, "message": it} for name, said in messages.items() for it in said]
    said = "; ".join(f"{error['field']}: {error['message']}" for error in errors)
    return Problem(400, f"The segment is not valid: {said}", errors=errors)
