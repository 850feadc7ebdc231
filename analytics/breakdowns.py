"""The lines of a report that has one for each of the first values of a field."""

from typing import Literal, NamedTuple, TypeAlias

# The lines that are of no single value: of events without one, and of all other values.
Rest: TypeAlias = Literal["unset", "other"]
RESTS: tuple[Rest, ...] = ("unset", "other")


class OfLine(NamedTuple):
    """Which line is meant: that of a `value` or of the `rest`; neither: all that is counted."""

    value: str | None = None
    rest: Rest | None = None
