"""Sessions, forms and logins are for people: a request to the API without a cookie needs none.

Each of these classes does what Django's own does, or nothing. Together they took a tenth of the
time of a request of one event. `projects.people` looks at the person only if there is the cookie of
a session, and the views of the API are exempt from the check of forms.
"""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware

from config.middleware.rate_limit import API_PATHS


class _ForPeople:
    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if "HTTP_COOKIE" not in request.META and request.path.startswith(API_PATHS):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class Sessions(_ForPeople, SessionMiddleware):
    """Django's sessions."""


class Forms(_ForPeople, CsrfViewMiddleware):
    """Django's check that a form was sent by a page of ours."""


class Logins(_ForPeople, AuthenticationMiddleware):
    """Django's `request.user`."""


class Messages(_ForPeople, MessageMiddleware):
    """Django's messages of the admin."""
