"""Who is here now: the people with an event in the last minutes."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count

from events.models import HotEvent

# A busy project has more events in some minutes than can be counted every few seconds.
MOST_EVENTS = 20_000


class Presence(NamedTuple):
    """People, and events up to one more than MOST_EVENTS: then there may be more people."""

    users: int
    events: int


def users_between(start: datetime, end: datetime, *, project: int) -> Presence:
    """The people with an event of the hot layer from `start` to `end`, both included.

    Counts in the newest events only, at most MOST_EVENTS and one. Raises errors of PostgreSQL.
    """
    found = HotEvent.objects.filter(
        project_id=project, occurred_at__gte=start, occurred_at__lte=end
    ).order_by("-occurred_at")[: MOST_EVENTS + 1]
    counted = found.aggregate(users=Count("user_id", distinct=True), events=Count("event_id"))
    return Presence(counted["users"], counted["events"])
