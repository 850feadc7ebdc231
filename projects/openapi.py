"""What the OpenAPI document says about `/projects`."""

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema

from config.api.openapi import COMMON_PARAMETERS, TEXT, component, problem, refusals
from projects import access
from projects.scopes import Role

_PROJECT = component(
    "Project",
    {
        "type": "object",
        "required": ["slug", "name"],
        "properties": {
            "slug": TEXT,
            "name": TEXT,
            "role": {
                "type": "string",
                "enum": Role.values,
                "description": "What the person is in it; only for people who are logged in.",
            },
        },
    },
)

get_projects = extend_schema(
    operation_id="get_projects",
    summary="See which projects there are",
    description=(
        "With a key, its own project. For a person who is logged in, the projects that they may "
        "see, with their role. If no key is required, all. `project` chooses one of these."
    ),
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
