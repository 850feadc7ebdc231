"""What segments say, in parts: the parser makes it, and the translator makes SQL of it."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

# What a field's value is compared by. `is` takes several values: it must be one of them.
Operator: TypeAlias = Literal["is", "contains", "icontains", "match", "gt", "ge", "lt", "le", "set"]
# Conditions in all, with those of saved segments.
MAX_CONDITIONS = 50


class Place(NamedTuple):
    """Where a segment stands: the parameter, and its number among the values, from 1."""

    parameter: str = "segment"
    number: int = 1

    def __str__(self) -> str:
        if not self.number:
            return self.parameter
        kind = "segment" if self.parameter == "segment" else "alternative"
        return f"{kind} {self.number}"


# All of the text of a saved segment.
TEXT = Place("text", 0)


class InvalidSegment(ValueError):
    """A segment that can't be used; `place` is where it stands."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place = place
        self.message = message


@dataclass(frozen=True)
class Field:
    """`name` is event_type, user_id or properties; `path` holds the keys of a property.

    `column` is the name of the property's own column, if it has one that may be read.
    """

    name: str
    path: tuple[str, ...] = ()
    column: str = dataclasses.field(default="", compare=False)


@dataclass(frozen=True)
class Comparison:
    """The field's value compared with given ones; with `negated` all events that do not match."""

    field: Field
    operator: Operator
    values: tuple[str, ...] = ()
    negated: bool = False
    place: Place = dataclasses.field(default=Place(), compare=False)


@dataclass(frozen=True)
class Did:
    """The event's user sent at least `times` events of the type, in the last `days` if given."""

    event_type: str
    times: int = 1
    days: int | None = None
    negated: bool = False
    place: Place = dataclasses.field(default=Place(), compare=False)


@dataclass(frozen=True)
class Saved:
    """A stored segment of the project, by its name."""

    name: str
    place: Place = dataclasses.field(default=Place(), compare=False)


@dataclass(frozen=True)
class Segments:
    """Groups that must all hold. A group holds if one of its alternatives does.

    Without groups, every event matches.
    """

    groups: tuple[tuple["Term", ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.groups)

    def conditions(self) -> Iterator[Comparison | Did | Saved]:
        """Every condition, also those of saved segments that were put in their places."""
        for group in self.groups:
            for term in group:
                if isinstance(term, Segments):
                    yield from term.conditions()
                else:
                    yield term

    def have_one_type(self) -> bool:
        """Whether all matching events surely have the same type."""
        return any(len(group) == 1 and _has_one_type(group[0]) for group in self.groups)


def _has_one_type(term: "Term") -> bool:
    if isinstance(term, Segments):
        return term.have_one_type()
    if not isinstance(term, Comparison) or term.negated or term.operator != "is":
        return False
    return term.field.name == "event_type" and len(term.values) == 1


Term: TypeAlias = Comparison | Did | Saved | Segments
ALL = Segments()
