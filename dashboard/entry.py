"""The ways in and out: the address of the service itself, and the pages to log in and out."""

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from config.api import problems
from config.building_blocks import unavailable
from dashboard import failing
from projects.pages import open_to_all

_DASHBOARD, _DOCUMENT = "/dashboard/", "/openapi.json"
# Of a user name, as the form takes it.
_LONGEST_NAME = 150


class _Form(AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "The name or the password is wrong. Capital letters count in both.",
    }


_login = LoginView.as_view(
    template_name="dashboard/login.html", next_page=_DASHBOARD, authentication_form=_Form
)
_logout = LogoutView.as_view(next_page="/login")


@open_to_all
def home(request: HttpRequest) -> HttpResponse:
    """Leads people to the dashboard, and a client that asks for JSON to the API's description."""
    if request.method not in ("GET", "HEAD"):
        return problems.wrong_method(request, "GET, HEAD")
    wanted = request.get_preferred_type(["text/html", "application/json"])
    query = request.META.get("QUERY_STRING", "")
    path = _DOCUMENT if wanted == "application/json" else _DASHBOARD
    answer = HttpResponseRedirect(f"{path}?{query}" if query and path == _DASHBOARD else path)
    patch_vary_headers(answer, ["Accept"])
    return answer


@open_to_all
def log_in(request: HttpRequest) -> HttpResponseBase:
    if request.method not in ("GET", "HEAD", "POST"):
        return problems.wrong_method(request, "GET, HEAD, POST")
    try:
        return _login(request)
    except unavailable.POSTGRESQL:
        _leave_session(request)
        said = "PostgreSQL can't be reached, so nobody can log in now. Try again."
        return _refused(request, 503, 5, said)


@open_to_all
def log_out(request: HttpRequest) -> HttpResponseBase:
    """By POST with a token, so that no page elsewhere can do it."""
    if request.method != "POST":
        return problems.wrong_method(request, "POST")
    try:
        return _logout(request)
    except unavailable.POSTGRESQL:
        said = "PostgreSQL can't be reached, so you are still logged in. Try again."
        _leave_session(request)
        return failing.told(request, 503, said, seconds=5, title="Not logged out")


def _leave_session(request: HttpRequest) -> None:
    """Or it would be saved after this answer was made, and fail again."""
    request.session.modified = False


def too_many(request: HttpRequest, status: int, seconds: int, reason: str) -> HttpResponse:
    """The page to log in, where nobody can for some seconds."""
    said = f"{reason} Try again in {seconds} second{'' if seconds == 1 else 's'}."
    return _refused(request, status, seconds, said)


def _refused(request: HttpRequest, status: int, seconds: int, said: str) -> HttpResponse:
    """The page to log in, with the name that was typed, and leading where it would have led."""
    typed = {"username": request.POST.get("username", "")[:_LONGEST_NAME]}
    context = {
        "said": said,
        "form": AuthenticationForm(request, initial=typed),
        "next": request.POST.get("next", request.GET.get("next", "")),
    }
    answer = render(request, "dashboard/login.html", context, status=status)
    answer["Retry-After"] = str(seconds)
    return answer
