"""Convert points in time from what clients write to what the stores keep: UTC, whole milliseconds.

The conversion comes before any other use. PostgreSQL refuses offsets of 16 hours and more. And a
time with microseconds would be compared with stored times that are cut to the millisecond.
"""

from datetime import UTC, datetime

from events.format import moments


class NotAnInstant(ValueError):
    """The text is not a point in time; `code` is one of `format`, `offset` and `range`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_instant(text: str) -> datetime:
    """Parse ISO 8601 with an offset into UTC, cut to the millisecond. Raises NotAnInstant."""
    try:
        moment = moments.parse(text)
    except ValueError:
        raise NotAnInstant("format", "is not an ISO 8601 date and time") from None
    if moment.tzinfo is None:
        raise NotAnInstant("offset", "has no UTC offset, such as Z")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise NotAnInstant("range", "is not within the years 1 to 9999 in UTC") from None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
