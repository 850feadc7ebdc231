"""Pages answer 400 to a value that can't be, such as a NUL character or a UUID of three letters.

Django checks forms for such values, but not the filters of lists, the session's cookie, and what an
address of the admin says of an object of another model.
"""

from collections.abc import Callable

from django.core.exceptions import ValidationError
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from config.api import problems

# The API checks its values itself; a DataError there is a fault of the service.
_PAGES = ("/admin/", "/dashboard/", "/login", "/logout", "/shared/")
_Answer = Callable[[HttpRequest], HttpResponseBase]


def middleware(get_response: _Answer) -> _Answer:
    def answer(request: HttpRequest) -> HttpResponseBase:
        return get_response(request)

    answer.process_exception = _refused  # type: ignore[attr-defined]
    return answer


def _refused(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    if isinstance(exception, DataError | ValidationError) and request.path.startswith(_PAGES):
        return problems.bad_request(request, exception)
    return None
