"""What the OpenAPI document says about `/projects`."""

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema

from config.api.openapi import COMMON_PARAMETERS, TEXT, problem, record, refusals
from projects import access

_PROJECT = record("Project", {"slug": TEXT, "name": TEXT})

get_projects = extend_schema(
    operation_id="get_projects",
    summary="See which projects there are",
    description="With a key, its own project. Without one, all, or the one that `project` names.",
    parameters=COMMON_PARAMETERS,
    responses={
        200: OpenApiResponse(
            {"type": "array", "items": _PROJECT},
            description="In the order in which they were made.",
            examples=[OpenApiExample("projects", value=[{"slug": "default", "name": "Default"}])],
        ),
        **problem(400, "An unknown parameter.", "Wrong query parameters: x: no such parameter."),
        **{key: said for key, said in refusals(access.READ).items() if key[0] != 403},
        **problem(503, "PostgreSQL is down.", "PostgreSQL can't be reached."),
    },
)
