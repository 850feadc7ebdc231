"""Columns of properties as tests make them and take them away, without the wait for reports."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from analytics.maintenance import property_columns
from analytics.segments import columns
from analytics.segments.asked import segments_of
from analytics.segments.expressions import Segments
from analytics.segments.parsing import parse_field
from projects.models import DEFAULT


@contextmanager
def sped_up(*paths: str, project: int = DEFAULT) -> Iterator[None]:
    """Properties with columns, which they have no more after it."""
    fields = [parse_field(f"properties.{path}") for path in paths]
    try:
        for field in fields:
            assert property_columns.add(field, project=project)
        columns._in_use.cache_clear()
        yield
    finally:
        with patch.object(property_columns, "_wait_for_reports"):
            for field in fields:
                property_columns.remove(field, project=project)
        columns._in_use.cache_clear()


def asked(*texts: str, project: int = DEFAULT) -> Segments:
    """The segments as a request asks for them, each of which a column must answer."""
    found = segments_of(texts, {}, project=project)
    assert all(it.field.column for it in found.conditions() if columns.is_answered(it)), texts
    return found
