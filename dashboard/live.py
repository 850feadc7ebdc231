"""The events that have just arrived."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, QueryDict

from dashboard import numbers
from dashboard.pages import Filled, Page, Panel
from dashboard.people import person_link, properties_of, zone_name
from dashboard.state import State
from events.api import query_parameters, search

_EVENTS = 50
# People of these minutes are here now.
_MINUTES = 5


def _last(request: HttpRequest, state: State) -> Filled:
    project: int = request.project  # type: ignore[attr-defined]
    query = QueryDict(mutable=True)
    query["limit"] = str(_EVENTS)
    found: dict[str, Any] = search.search(
        project=project, filters=query_parameters.search_filters(query)
    )
    zone = ZoneInfo(zone_name(request))
    now = datetime.now(zone)
    shown = [_shown(event, zone, state) for event in found["events"]]
    here = {one["user"] for one in shown if abs((now - one["at"]).total_seconds()) < _MINUTES * 60}
    return {"events": shown, "here": numbers.whole(len(here)), "minutes": _MINUTES}


def _shown(event: dict[str, Any], zone: ZoneInfo, state: State) -> dict[str, Any]:
    at = datetime.fromisoformat(str(event["occurred_at"])).astimezone(zone)
    return {
        "at": at,
        "time": f"{at:%H:%M:%S}",
        "day": numbers.day(at.date()),
        "type": event["event_type"],
        "user": event["user_id"],
        "link": person_link(state, event["user_id"]),
        "properties": properties_of(event["properties"])[:6],
    }


PAGE = Page("live", "Live", "live", panels=(Panel("live", "Last events", _last),))
