"""The segments that a request or a command asks for: the one way from texts to a report."""

from collections.abc import Mapping, Sequence

from analytics.segments import columns, patterns, saved, uses
from analytics.segments.expressions import Segments
from analytics.segments.parsing import parse_segments


def segments_of(
    texts: Sequence[str], groups: Mapping[str, Sequence[str]], *, project: int
) -> Segments:
    """Segments that must all hold, and groups `or.N` of alternatives, of which one must hold.

    Saved segments are in their places. Raises InvalidSegment, django.db.Error for saved ones, and
    ClickHouseError for patterns and properties.
    """
    full = saved.in_full(parse_segments(texts, groups), project=project)
    patterns.check(full)
    uses.note(full, project=project)
    return columns.placed(full, project=project)
