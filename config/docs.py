"""`/docs`: Swagger UI, whose assets come from this server.

The view is the split one: the page's script has an address of its own, as the
Content-Security-Policy wants it. Both are templates. Answers without one, to OPTIONS and to wrong
methods, are JSON as everywhere else, since the renderer of templates fails on them.
"""

from typing import Any

from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI."""

    # What OPTIONS shows is the line above.
    url_name = "openapi"

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if answer.template_name is None:
            answer.accepted_renderer = JSONRenderer()
            answer.accepted_media_type = "application/json"
        return answer
