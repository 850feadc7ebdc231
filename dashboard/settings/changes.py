"""What the forms of the settings do, by the services that the API and the admin use.

A change leads back to the page, which says in words what was done. A fault is shown beside its
form, with what was typed. The history of the project in the admin says who changed what: what can't
be noted there is not changed. Only a new key is made all the same, or nobody would see its secret.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import Error as PostgreSQLError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from structlog import get_logger

from analytics.clickhouse import ClickHouseError
from config.api.problems import Problem
from config.building_blocks import unavailable
from dashboard.pages import Filled
from dashboard.screens import welcome
from dashboard.settings.forms import KeyForm, MemberForm, RoleForm, ZoneForm
from dashboard.settings.rows import Wrong, members_of
from dashboard.state import State
from events.auditing import rezoning
from projects import keys, members
from projects.models import ApiKey, Project
from projects.of_request import NONE
from projects.scopes import INGEST

log = get_logger(__name__)

# A browser sends no longer number, and PostgreSQL has none.
_DIGITS = 18
_FIRST_KEY = "First key"
_TAKEN = (
    "A key of this name is there. If you have not seen its secret, revoke it and make another one."
)


class Asked:
    """A form that was sent: by whom, about which project, and what is in it."""

    def __init__(self, request: HttpRequest, state: State) -> None:
        self.request, self.state = request, state
        self.given = request.POST
        self.by: User = request.auth.person  # type: ignore[attr-defined]
        number: int = request.project  # type: ignore[attr-defined]
        found = Project.objects.filter(pk=number, deleted_at=None).first()
        if found is None:
            raise Problem(404, NONE)
        self.project: Project = found

    @property
    def row(self) -> int:
        """The number of the key or the membership; 0 if it is none."""
        text = self.given.get("row", "")
        is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
        return int(text) if is_number else 0

    def note(self, said: str) -> None:
        """Into the history of the project in the admin, and into the log."""
        LogEntry.objects.log_actions(
            self.by.pk, [self.project], CHANGE, f"{said} (In the settings.)", single_object=True
        )
        action, by = self.given.get("action"), self.by.get_username()
        project = self.project.pk
        transaction.on_commit(
            lambda: log.info("settings_changed", action=action, project=project, by=by)
        )

    def done(self, said: str) -> HttpResponse:
        self.note(said)
        return self.told(said)

    def told(self, said: str) -> HttpResponse:
        """Leads back to the page, which says this once."""
        messages.success(self.request, said)
        # Or a browser would go to the form again, and not to what is said at the top.
        back = f"{address(self.state)}#main"
        return HttpResponse(status=303, headers={"Location": back})


def address(state: State) -> str:
    """Of the page, for the same project."""
    return state.link(welcome.SETTINGS, without=set(state.given) - {"project"})


def change(request: HttpRequest, state: State) -> HttpResponseBase | Filled:
    """Do what the form says in its field `action`. Raises Problem if there is no such action."""
    do = _ACTIONS.get(request.POST.get("action", ""))
    if do is None:
        raise Problem(400, "The form does not say what to change.")
    return do(Asked(request, state))


def _make_key(asked: Asked) -> Filled:
    form = KeyForm(asked.given)
    if form.is_valid():
        row = ApiKey(project=asked.project, **form.cleaned_data)
        try:
            return _made(asked, row, _secret(row))
        except IntegrityError:
            form.add_error("name", _TAKEN)
        except ValidationError as error:
            _add_key_errors(form, error)
        except keys.TooManyKeys as error:
            form.add_error(None, f"{error}.".capitalize())
    return {"key_form": form, "status": 400}


def _add_key_errors(form: KeyForm, error: ValidationError) -> None:
    """A row that breaks the constraint of the names has no field for that fault."""
    if NON_FIELD_ERRORS in error.error_dict:
        form.add_error("name", _TAKEN)
    else:
        form.add_error(None, error.messages)


def _first_key(asked: Asked) -> Filled:
    """A key to send events with, whose name is made up here."""
    used = ApiKey.objects.filter(project=asked.project, revoked_at=None)
    names = {*used.filter(name__startswith=_FIRST_KEY).values_list("name", flat=True)}
    numbered = (f"{_FIRST_KEY} {number}" for number in range(2, len(names) + 3))
    name = next(it for it in (_FIRST_KEY, *numbered) if it not in names)
    row = ApiKey(project=asked.project, name=name, scopes=[INGEST])
    try:
        secret = _secret(row)
    except keys.TooManyKeys as error:
        raise Problem(409, f"{error}.".capitalize()) from None
    except (IntegrityError, ValidationError):
        raise Problem(409, "Another key has just been made. Look at the settings.") from None
    # The project is empty: its first event is shown there when it comes.
    return {**_made(asked, row, secret), "waits": True, **welcome.waiting(asked.state)}


def _secret(row: ApiKey) -> str:
    with transaction.atomic():
        return keys.make(row)


def _made(asked: Asked, row: ApiKey, secret: str) -> dict[str, Any]:
    """The page with the secret. Nothing that may fail now may keep it from being shown."""
    with suppress(PostgreSQLError, *unavailable.POSTGRESQL):
        asked.note(f"Made the API key {row}.")
    return {
        "template": "key_made",
        "key": row,
        "secret": secret,
        "sends": INGEST in row.scopes,
        "ways": welcome.ways(asked.request, asked.state, secret),
        "read": asked.request.build_absolute_uri("/events?limit=1"),
        "settings": address(asked.state),
    }


@transaction.atomic
def _revoke_key(asked: Asked) -> HttpResponseBase | Filled:
    row = ApiKey.objects.filter(project=asked.project, pk=asked.row).first()
    if row is None:
        return _gone("keys", "There is no such key of this project.")
    if not keys.revoke(row):
        return asked.told(f"The key {row.name} was revoked before.")
    return asked.done(f"The key {row.name} is revoked. After 5 seconds nobody can use it.")


@transaction.atomic
def _add_member(asked: Asked) -> HttpResponseBase | Filled:
    form = MemberForm(asked.given)
    if form.is_valid():
        try:
            row = members.add(asked.project, **form.cleaned_data)
        except members.Refused as error:
            form.add_error("who", str(error))
        else:
            return asked.done(f"{row.user.get_username()} is {_a(row.role)} of the project now.")
    return {"member_form": form, "status": 400}


@transaction.atomic
def _set_role(asked: Asked) -> HttpResponseBase | Filled:
    form = RoleForm(asked.given)
    if not form.is_valid():
        return _at_row(asked, "Choose one of the roles.")
    role: str = form.cleaned_data["role"]
    try:
        row = members.change_role(asked.project, asked.row, role, by=asked.by)
    except members.NoSuchMember as error:
        return _gone("members", str(error))
    except members.Refused as error:
        return _at_row(asked, str(error))
    return asked.done(f"{row.user.get_username()} is {_a(role)} of the project now.")


@transaction.atomic
def _remove_member(asked: Asked) -> HttpResponseBase | Filled:
    try:
        row = members.remove(asked.project, asked.row, by=asked.by)
    except members.NoSuchMember as error:
        return _gone("members", str(error))
    except members.Refused as error:
        return _at_row(asked, str(error))
    return asked.done(f"{row.user.get_username()} is no member of the project any more.")


def _gone(where: str, said: str) -> Filled:
    """For a row of another project, or one that went in another tab."""
    return {"gone": where, "said": said, "status": 404}


def _at_row(asked: Asked, said: str) -> Filled:
    chosen = asked.given.get("role", "")
    wrong = Wrong(asked.row, said, chosen)
    return {"members": members_of(asked.project, has_email=True, wrong=wrong), "status": 400}


def _a(role: str) -> str:
    return f"{'an' if role[0] in 'ae' else 'a'} {role}"


def _set_zone(asked: Asked) -> HttpResponseBase | Filled:
    form = ZoneForm(asked.given)
    if form.is_valid():
        try:
            zone = rezoning.check_zone(form.cleaned_data["time_zone"])
        except ValidationError as error:
            form.add_error("time_zone", error)
        except ClickHouseError:
            said = "ClickHouse, which knows the time zones, can't be reached. Try again."
            form.add_error("time_zone", said)
        else:
            return _begin_zone(asked, zone)
    return {"zone_form": form, "status": 400}


@transaction.atomic
def _begin_zone(asked: Asked, zone: str) -> HttpResponse:
    if zone == asked.project.time_zone:
        return asked.told(f"The days are those of {zone} already.")
    rezoning.begin(asked.project, zone, by=asked.by.get_username())
    transaction.on_commit(rezoning.finish_soon)
    return asked.done(f"The days of all reports are those of {zone} now.")


_ACTIONS: dict[str, Callable[[Asked], HttpResponseBase | Filled]] = {
    "make_key": _make_key,
    "first_key": _first_key,
    "revoke_key": _revoke_key,
    "add_member": _add_member,
    "set_role": _set_role,
    "remove_member": _remove_member,
    "set_zone": _set_zone,
}
