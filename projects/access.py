"""What a request may do: the scopes of API keys, and the permission that asks for them.

Each view of the API names what it needs in `scopes`, a scope by HTTP method. The key itself is
found by settings.REST_FRAMEWORK's authentication class, which leaves it in `request.auth`.
"""

from typing import Any, cast

from django.conf import settings
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.middleware import cors

INGEST = "ingest"
READ = "read"


class HasScope(BasePermission):
    """Lets a key with the scope through, and whoever has no key where none is required.

    Without keys whoever reaches the service may write: its owner, not the pages he looks at.

    A view that names no scopes answers 500: better than being open by mistake. A method that is
    not named, to be answered 405 or OPTIONS, takes a key of any scope.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = view.scopes.get("GET" if request.method == "HEAD" else request.method)
        key = cast(Any, request.auth)
        if key is None:
            if settings.API_KEYS_REQUIRED:
                raise NotAuthenticated("Send an API key: Authorization: Bearer ea_…, or X-API-Key.")
            if request.method == "POST" and cors.is_foreign(request._request):
                raise PermissionDenied("A page of another site may not post here.")
            return True
        if needed is not None and needed not in key.scopes:
            raise PermissionDenied(f"This needs a key with the scope {needed!r}; this one has not.")
        return True
