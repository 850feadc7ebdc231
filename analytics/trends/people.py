"""The people behind a number of a trend."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from analytics.breakdowns import OfLine
from analytics.queries import Query
from analytics.segments.expressions import Segments
from analytics.trends import asking
from analytics.trends.buckets import Bucket, buckets
from analytics.trends.measures import ROLLING
from analytics.trends.question import Question
from analytics.trends.trends import compared


class Cell(NamedTuple):
    """A number of a trend of one series: of the bucket that begins `at`, or of the whole range.

    `is_compared`: of the period that the range is compared with.
    """

    at: str | None = None
    is_compared: bool = False
    line: OfLine = OfLine()


class NoSuchBucket(ValueError):
    """The period has no bucket that begins there."""


def people(question: Question, cell: Cell) -> Query:
    """SQL of the user_hash of everybody with an event that the number is of.

    Of a measure of numbers, these are the events that have one. Raises NoSuchBucket, TooMany and
    BeforeAllEvents.
    """
    [(_, series)] = question.series
    both = Segments((*question.segments.groups, *series.groups))
    start, end = compared(question) if cell.is_compared else (question.start, question.end)
    moments, days = None, (start, end)
    if cell.at is not None:
        bucket = _bucket(question, start, end, cell.at)
        if question.unit == "hour":
            # Its start and end are shown to the minute, and it may begin at a second.
            moments = (datetime.fromtimestamp(bucket.key, UTC), bucket.until)
        else:
            days = _days(question, bucket)
    return asking.users(question, both, days, end, line=cell.line, moments=moments)


def _bucket(question: Question, start: date, end: date, at: str) -> Bucket:
    # A plus that is not encoded in an address arrives as a space.
    at = at.replace(" ", "+")
    for bucket in buckets(question.unit, start, end, question.zone.name):
        if bucket.start == at:
            return bucket
    raise NoSuchBucket(f"no {question.unit} of the report begins there; give the start of a point")


def _days(question: Question, bucket: Bucket) -> tuple[date, date]:
    first, last = date.fromisoformat(bucket.start), date.fromisoformat(bucket.end)
    width = ROLLING.get(question.measure.name)
    return (first if width is None else last - timedelta(days=width - 1)), last
