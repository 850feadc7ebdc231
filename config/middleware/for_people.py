"""Sessions, logins and messages are for people: a request to the API without a cookie needs none.

Each of these classes does what Django's own does, or nothing. `projects.people` looks at the person
only if there is the cookie of a session. The check of forms stays Django's own, as its check of a
deployment asks for it by name.
"""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest

from config.middleware.rate_limit import API_PATHS


class _ForPeople:
    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if "HTTP_COOKIE" not in request.META and request.path.startswith(API_PATHS):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class Sessions(_ForPeople, SessionMiddleware):
    """Django's sessions."""


class Logins(_ForPeople, AuthenticationMiddleware):
    """Django's `request.user`."""


class Messages(_ForPeople, MessageMiddleware):
    """Django's messages of the admin."""
