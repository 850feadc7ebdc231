"""The page of a project's settings: what they are, and for its admins the forms to change them."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest

from analytics.clickhouse import ClickHouseError
from config.api.problems import Problem
from dashboard import numbers
from dashboard.pages import Filled, Page, Panel
from dashboard.screens import welcome
from dashboard.settings import changes
from dashboard.settings.forms import KeyForm, MemberForm, ZoneForm
from dashboard.settings.rows import members_of
from dashboard.state import State
from events.lifecycle import history
from events.storing import quota
from projects import access, people
from projects.models import ApiKey, Project
from projects.of_request import NONE
from projects.scopes import Role

_SHOWN = 200


def _filled(request: HttpRequest, state: State) -> Filled:
    project, may_change = _project(request), access.may(request, access.ADMIN)
    member = access.member_who_asks(request)
    return {
        "address": changes.address(state),
        "may_change": may_change,
        "log_in": "" if _is_somebody(request) else _login(state),
        "needs_key": settings.API_KEYS_REQUIRED,
        "ways": welcome.ways(request, state),
        **_keys(project, ZoneInfo(state.zone)),
        # Whom a stranger could try to log in as is nothing for strangers.
        "members": members_of(project, has_email=may_change) if member else None,
        "roles": Role.choices,
        "key_form": KeyForm(),
        "member_form": MemberForm(),
        "zone": project.time_zone,
        "zone_is_new": project.rollup_zone != project.time_zone,
        "zone_form": ZoneForm(initial={"time_zone": project.time_zone}),
        "zones": _zones() if may_change else [],
    }


def _is_somebody(request: HttpRequest) -> bool:
    """Whether a person is logged in, of whichever project."""
    return people.person_of(request) is not None


def _login(state: State) -> str:
    return f"/login?{urlencode({'next': changes.address(state)})}"


def _zones() -> list[str]:
    """Without the old names that have no place in them, such as EST."""
    return ["UTC", *sorted(it for it in available_timezones() if "/" in it)]


def _project(request: HttpRequest) -> Project:
    number: int = request.project  # type: ignore[attr-defined]
    found = Project.objects.filter(pk=number, deleted_at=None).first()
    if found is None:
        raise Problem(404, NONE)
    return found


def _keys(project: Project, zone: ZoneInfo) -> dict[str, Any]:
    rows = ApiKey.objects.filter(project=project)
    active: QuerySet[ApiKey] = rows.filter(revoked_at=None).order_by("-pk")
    shown = [_key(row, zone) for row in active[:_SHOWN]]
    count = active.count() if len(shown) == _SHOWN else len(shown)
    return {
        "keys": shown,
        "more_keys": count - len(shown),
        "revoked_keys": rows.exclude(revoked_at=None).count(),
    }


def _key(row: ApiKey, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "pk": row.pk,
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "is_expired": row.state == "expired",
        "expires_at": _moment(row.expires_at, zone),
        "created_at": _moment(row.created_at, zone),
        "last_used_at": _moment(row.last_used_at, zone),
    }


def _moment(at: datetime | None, zone: ZoneInfo) -> str:
    return numbers.moment(at, zone) if at else ""


def _limits(request: HttpRequest, state: State) -> Filled:
    project, member = _project(request), access.member_who_asks(request)
    days = project.history_days
    return {
        "requests": _limit(project.rate_limit_per_minute),
        "of_address": _limit(settings.RATE_LIMIT_PER_MINUTE),
        "month": _month(project),
        "kept": numbers.counted(days, "day") if days else "",
        "history": _history(project),
        "hot_days": settings.HOT_WINDOW_DAYS,
        "admin": f"/admin/projects/project/{project.pk}/change/"
        if member and member.person.is_staff
        else "",
    }


def _limit(value: int | None) -> str:
    """Empty without a limit."""
    return numbers.whole(value) if value else ""


def _month(project: Project) -> dict[str, Any]:
    """What of the month is used; empty without a quota."""
    try:
        used = quota.used(project)
    except quota.Uncounted:
        said = "The count is not known, because Redis can't be reached."
        return {"quota": numbers.whole(project.events_per_month), "said": said}
    if used is None:
        return {}
    share = used.events / used.quota
    return {
        "quota": numbers.whole(used.quota),
        "used": numbers.whole(used.events),
        "percent": numbers.percent(100 * share),
        "width": min(100, round(100 * share)),
        "until": numbers.full_day(used.until.date()),
        "is_near": share >= quota.WARN_AT,
    }


def _history(project: Project) -> str:
    try:
        plan = history.plan(project, today=datetime.now(UTC).date())
    except ClickHouseError:
        return "ClickHouse can't be reached, so it is not known what goes next."
    return history.told(plan) if plan else ""


PAGE = Page(
    "settings",
    "Settings",
    "settings",
    panels=(Panel("limits", "Limits", _limits),),
    fill=_filled,
    change=changes.change,
)
