"""What a request may do: the scopes of API keys, and the permission that checks them.

Each view of the API has `scopes`: the scope that each HTTP method needs. The authentication class
in settings.REST_FRAMEWORK finds the key and puts it into `request.auth`.
"""

from typing import Any, cast

from django.conf import settings
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.middleware import cors

INGEST = "ingest"
READ = "read"
# Save what others of the project see. No key has this scope.
EDIT = "edit"


class HasScope(BasePermission):
    """Allows a request whose key has the scope, and one without a key if no key is required.

    If no key is required, anyone who reaches the service may post. A foreign page (`is_foreign`)
    may not: the owner of the service may have the page open in a browser.

    A view without `scopes` answers 500, so that no view is open by mistake. A method that is not in
    `scopes` (OPTIONS, or a method that gets 405) accepts a key of any scope.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = view.scopes.get("GET" if request.method == "HEAD" else request.method)
        key = cast(Any, request.auth)
        if key is None:
            if settings.API_KEYS_REQUIRED:
                raise NotAuthenticated("Send an API key: Authorization: Bearer ea_…, or X-API-Key.")
            if request.method == "POST" and cors.is_foreign(request._request):
                raise PermissionDenied("A page of another site may not post without an API key.")
            return True
        if needed is not None and needed not in key.scopes:
            raise PermissionDenied(f"This request needs an API key with the scope {needed!r}.")
        return True
