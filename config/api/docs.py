"""`/openapi.json`, and `/docs`: Swagger UI, whose assets come from this server.

`/docs` uses the split view: the page's script has its own URL, as the Content-Security-Policy
requires. The page and the script are templates. Answers to OPTIONS and to wrong methods have no
template. They are JSON as everywhere else, because the renderer of templates fails on them.
"""

import threading
from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

_MEDIA_TYPE = OpenApiJsonRenderer.media_type
_making = threading.Lock()


class DocumentView(SpectacularJSONAPIView):
    """The OpenAPI document."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        return HttpResponse(_document(), content_type=_MEDIA_TYPE)


def _document() -> bytes:
    """Only one thread makes it.

    drf-spectacular fails if two threads make its first document at the same time.
    """
    with _making:
        return _made(settings.API_KEYS_REQUIRED)


@lru_cache
def _made(_keys_required: bool) -> bytes:
    """Make the document once, as it is the same for everybody and takes 0.3 s of CPU."""
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return msgspec.json.encode(document)


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI."""

    # OPTIONS shows the docstring above.
    url_name = "openapi"

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if answer.template_name is None:
            answer.accepted_renderer = JSONRenderer()
            answer.accepted_media_type = "application/json"
        return answer
