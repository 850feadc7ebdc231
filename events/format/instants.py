"""Points in time as clients write them, brought to what the stores keep: UTC, whole milliseconds.

That happens before anything else is done with them. PostgreSQL refuses offsets of 16 hours and
more, and what is finer than a millisecond would be compared with what was cut.
"""

from datetime import UTC, datetime

from events.format import moments


class NotAnInstant(ValueError):
    """The text names no point in time; `code` is one of `format`, `offset` and `range`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_instant(text: str) -> datetime:
    """ISO 8601 with an offset, in UTC and cut to the millisecond. Raises NotAnInstant."""
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
