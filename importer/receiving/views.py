"""The HTTP endpoints of imports."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.http import FileResponse
from django.urls import reverse
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api.problems import Problem
from config.building_blocks import unavailable
from events.storing import quota
from importer.mapping.arguments import Arguments
from importer.mapping.options import OptionError
from importer.models import Import
from importer.reading.chunks import FileRefused
from importer.receiving import openapi, uploads
from importer.tasks import import_soon
from projects import access
from projects.of_request import project_of

_PIECE = 64 * 1024
_UNHEARD_PIECES = 1024
_LISTS = ("map", "set")
# Parameters that say nothing about how the file is read.
_OTHERS = ("name", "project")
_STATUS = {
    uploads.TooLarge: 413,
    uploads.NoRoom: 507,
    uploads.CutShort: 400,
    uploads.StillReceiving: 409,
    uploads.OtherPayload: 422,
}


class AnyFile(BaseParser):
    """Leaves the body unread: it goes to disk piece by piece."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return stream


class ImportsView(APIView):
    """`/imports`: receives a file."""

    scopes = {"POST": access.INGEST}
    parser_classes = [AnyFile]

    @openapi.post_imports
    def post(self, request: Request) -> Response:
        project = project_of(request)
        size = _length(request)
        given = _arguments(request)
        try:
            row = _received(request, project, size, given)
        except unavailable.POSTGRESQL:
            raise Problem(503, "PostgreSQL can't be reached; send the file again.") from None
        import_soon()
        href = _address(request, "import", row)
        answer = {"id": str(row.pk), "name": row.path, "size": row.size, "state": "waiting"}
        return Response({**answer, "href": href}, status=202, headers={"Location": href})


class ImportView(APIView):
    """`/imports/{id}`: the progress of an import."""

    # A client that sends a file must be able to see its result.
    scopes = {"GET": access.INGEST}

    @openapi.get_import
    def get(self, request: Request, pk: UUID) -> Response:
        row = _row(project_of(request), pk)
        names = ("size", "position", "read", "stored", "duplicates", "bad", "error")
        times = ("created_at", "started_at", "finished_at")
        answer = {"id": str(row.pk), "name": row.path, "state": row.state}
        answer |= {name: getattr(row, name) for name in (*names, *times)}
        rejected = _address(request, "import-rejected", row) if row.rejected_path else None
        return Response({**answer, "rejected": rejected})


class RejectedRowsView(APIView):
    """`/imports/{id}/rejected`: the rows that were not imported."""

    # A client that sends a file must be able to see its result.
    scopes = {"GET": access.INGEST}

    @openapi.get_rejected
    def get(self, request: Request, pk: UUID) -> FileResponse:
        return rejected_rows(_row(project_of(request), pk))


def _address(request: Request, name: str, row: Import) -> str:
    """The address of a view of the import, in the project that the request named."""
    slug = request.query_params.get("project")
    query = f"?{urlencode({'project': slug})}" if slug else ""
    return f"{reverse(name, args=[row.pk])}{query}"


def rejected_rows(row: Import) -> FileResponse:
    """The file of rows that were not imported. Raises Problem 404."""
    try:
        file = Path(row.rejected_path).open("rb") if row.rejected_path else None  # noqa: SIM115
    except OSError:
        file = None
    if file is None:
        raise Problem(404, "No row of this import was rejected.")
    name = f"{row.pk}.rejected.csv"
    return FileResponse(
        file, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8"
    )


def _received(request: Request, project: int, size: int, given: Arguments) -> Import:
    stream: Any = request.data
    try:
        return uploads.receive(
            project=project,
            stream=stream,
            size=size,
            name=request.query_params.get("name", "")[:200],
            given=given,
            key=request.headers.get("Idempotency-Key"),
        )
    except (OptionError, FileRefused) as error:
        _read_away(stream)
        raise Problem(400, f"{str(error)[:500]}.") from None
    except quota.QuotaReached as reached:
        _read_away(stream)
        after = {"Retry-After": str(reached.seconds)}
        raise Problem(429, f"Not accepted: {reached}.", headers=after) from None
    except uploads.UploadRefused as error:
        _read_away(stream)
        raise Problem(_STATUS[type(error)], f"Not accepted: {error}.") from None


def _read_away(stream: IO[Any]) -> None:
    """Read the rest of the body, at most 64 MB: most clients read no answer before it is sent."""
    with suppress(OSError):
        for _ in range(_UNHEARD_PIECES):
            if not stream.read(_PIECE):
                break


def _length(request: Request) -> int:
    if request.content_type.startswith("multipart/"):
        raise Problem(415, "Send the file itself as the body (curl -T FILE), not a form.")
    if "Content-Length" not in request.headers:
        raise Problem(411, "Send a Content-Length; chunked bodies are not accepted.")
    length = int(request.headers["Content-Length"] or 0)
    if not length:
        raise Problem(400, "The body is empty.")
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= 255 and key.isascii()):
        raise Problem(400, "Idempotency-Key must have 1 to 255 ASCII characters.")
    return length


def _arguments(request: Request) -> Arguments:
    names = Arguments.__annotations__
    if any("\0" in value for _, values in request.query_params.lists() for value in values):
        raise Problem(400, "A parameter contains a NUL character.")
    given: dict[str, Any] = {}
    for name in request.query_params:
        if name not in names and name not in _OTHERS:
            known = ", ".join((*_OTHERS, *names))
            raise Problem(400, f"Unknown parameter {name[:80]!r}; known are {known}.")
        if name in _LISTS:
            given[name] = request.query_params.getlist(name)
        elif name not in _OTHERS:
            given[name] = request.query_params[name]
    return cast(Arguments, given)


def _row(project: int, pk: UUID) -> Import:
    try:
        row = Import.objects.filter(project=project, pk=pk, upload=True).first()
    except unavailable.POSTGRESQL:
        raise Problem(503, "PostgreSQL can't be reached.") from None
    if row is None:
        raise Problem(404, "There is no such import.")
    return row
