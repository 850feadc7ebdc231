"""Whether a saved view asks about single persons, whom strangers must not see."""

from collections.abc import Iterator

from django.http import QueryDict

from analytics.api.reports.funnel import conditions_of
from analytics.segments import saved
from analytics.segments.expressions import Comparison, Segments
from analytics.segments.parsing import GROUP, parse_field, parse_segments
from dashboard.models import SavedView

_USER = "user_id"
# Parameters of reports of which each value is one segment.
_SEGMENTS = ("series", "start", "return")


def asks_about_persons(view: SavedView) -> bool:
    """As its segments are now: saved ones among them may have changed since.

    Raises ValueError for what no report could read, and django.db.Error.
    """
    given = QueryDict(view.query)
    if any(parse_field(text).name == _USER for text in given.getlist("by") if text):
        return True
    project = view.project.pk
    return any(_has_user(saved.in_full(it, project=project)) for it in _segments(given))


def _segments(given: QueryDict) -> Iterator[Segments]:
    """All that the address has, whichever of its reports reads them."""
    for name, texts in given.lists():
        found = [text for text in texts if text]
        if name == "segment":
            yield parse_segments(found)
        elif GROUP.fullmatch(name):
            yield parse_segments([], {name: found})
        elif name == "step":
            yield from (parse_segments(conditions_of(text)) for text in found)
        elif name in _SEGMENTS:
            yield from (parse_segments([text]) for text in found)


def _has_user(segments: Segments) -> bool:
    return any(
        isinstance(it, Comparison) and it.field.name == _USER for it in segments.conditions()
    )
