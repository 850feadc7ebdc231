"""The events that have just arrived."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, QueryDict

from dashboard import numbers
from dashboard.pages import Filled, Page, Panel
from dashboard.screens.people import person_link, properties_of
from dashboard.state import State
from events.api import query_parameters, search
from events.api.presence import MOST_EVENTS, users_between

_EVENTS = 50
# People of these minutes are here now.
_MINUTES = 5
_PROPERTIES = 6


def newest(*, project: int, limit: int, state: State) -> list[dict[str, Any]]:
    """The newest events of a project as they are shown. Raises what `search` raises."""
    query = QueryDict(mutable=True)
    query["limit"] = str(limit)
    found = search.search(project=project, filters=query_parameters.search_filters(query))
    zone = ZoneInfo(state.zone)
    return [_shown(event, zone, state) for event in found["events"]]


def _last(request: HttpRequest, state: State) -> Filled:
    project: int = request.project  # type: ignore[attr-defined]
    now = datetime.now(UTC)
    here = users_between(now - timedelta(minutes=_MINUTES), now, project=project)
    return {
        "events": newest(project=project, limit=_EVENTS, state=state),
        "here": numbers.whole(here.users) + ("+" if here.events > MOST_EVENTS else ""),
        "minutes": _MINUTES,
        # The newest events are theirs, and so they are the first in the list of people.
        "people": state.link("/dashboard/people", without={*state.given} - {"project"}),
        "overview": state.link("/dashboard/", without={*state.given} - {"project"}),
    }


def _shown(event: dict[str, Any], zone: ZoneInfo, state: State) -> dict[str, Any]:
    at = datetime.fromisoformat(str(event["occurred_at"])).astimezone(zone)
    return {
        "time": f"{at:%H:%M:%S}",
        "day": numbers.day(at.date()),
        "type": event["event_type"],
        "user": event["user_id"],
        "link": person_link(state, event["user_id"]),
        "properties": properties_of(event["properties"])[:_PROPERTIES],
    }


PAGE = Page("live", "Live", "live", panels=(Panel("live", "Last events", _last, is_wide=True),))
