"""`/openapi.json`, and `/docs`: Swagger UI, whose assets come from this server.

The view of `/docs` is the split one: the page's script has an address of its own, as the
Content-Security-Policy wants it. Both are templates. Answers without one, to OPTIONS and to wrong
methods, are JSON as everywhere else, since the renderer of templates fails on them.
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
    """One thread makes it: drf-spectacular fails where two make its first document."""
    with _making:
        return _made(settings.API_KEYS_REQUIRED)


@lru_cache
def _made(_keys_required: bool) -> bytes:
    """The same for everybody, so it is made once: it takes 0.3 s of a processor."""
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return msgspec.json.encode(document)


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
