"""Maps a source's columns to an event's fields, which may also be constant or made from others."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast, get_args

FIELDS = ("event_id", "occurred_at", "user_id", "event_type", "properties")
PROPERTY = "properties."
# event_id, occurred_at, user_id, event_type and properties as text.
Fields: TypeAlias = tuple[str, str, str, str, str]
Time: TypeAlias = Literal["iso", "utc", "s", "ms", "us"]
Rest: TypeAlias = Literal["refuse", "properties", "ignore"]


class MappingError(ValueError):
    """A mapping that makes no sense; the text names the argument."""


@dataclass(frozen=True)
class ColumnMap:
    """Where each field of an event comes from.

    `sources` lists the columns for each target (a field, or `properties.name`). The first column
    that has a value wins; a dot leads into a nested object. `constants` are the same for every
    row. If a row has no event_id, its id is the UUIDv5 of the columns and constants in `id_from`.
    A file may lack some of these columns only if `id_optional` is set. `time` says how
    occurred_at is written: ISO 8601 with an offset, ISO 8601 in UTC without an offset, or a number
    of seconds, milliseconds or microseconds since 1970. `rest` says what happens to columns that
    become no field or property; a column that is only part of the id is one of them, but it is
    never refused.
    """

    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    id_from: tuple[str, ...] = ()
    id_optional: bool = False
    time: Time = "iso"
    rest: Rest = "refuse"

    def __post_init__(self) -> None:
        for target in (*self.sources, *self.constants):
            if target not in FIELDS and not target.startswith(PROPERTY):
                raise MappingError(
                    f"{target[:80]!r} is not a field of an event; use one of"
                    f" {', '.join(FIELDS)} or {PROPERTY}name"
                )
        if both := self.sources.keys() & self.constants.keys():
            raise MappingError(f"{sorted(both)[0]} is both mapped and set")
        if "properties" in self.constants:
            raise MappingError("properties cannot be set as a whole; set properties.name")
        if self.time not in get_args(Time):
            known = ", ".join(get_args(Time))
            raise MappingError(f"time must be one of {known}, got {self.time!r}")
        if self.rest not in get_args(Rest):
            known = ", ".join(get_args(Rest))
            raise MappingError(f"rest must be one of {known}, got {self.rest!r}")

    @property
    def is_plain(self) -> bool:
        """Whether the columns have the names of the fields: the importer's own format."""
        return self == ColumnMap()

    def columns_of(self, target: str) -> tuple[str, ...]:
        """The columns that may hold the target: its own name, unless it is mapped."""
        if target in self.sources:
            return self.sources[target]
        if target == "properties":
            return ("properties", "properties_json")
        return () if target == "event_id" and self.id_from else (target,)

    def wrong_columns(self, names: Sequence[str]) -> str:
        """What is wrong with a file's columns for this mapping; empty if nothing is wrong."""
        named = self.named()
        there = {*names, *(name.split(".")[0] for name in names)}
        for target in FIELDS[:4]:
            columns = self.columns_of(target)
            found = any(there & {column, column.split(".")[0]} for column in columns)
            if columns and not found and target not in self.constants:
                return (
                    f"there is no column {' or '.join(columns)} for {target};"
                    f" the columns are {_some(names)}"
                )
        if self.id_from and self.constants.keys() >= set(self.id_from):
            return (
                "id_from names only values that are set, so every row would get the same event_id;"
                " add a column"
            )
        if missing := self._missing_for_id(there):
            return (
                f"there is no column {missing}, but id_from names it;"
                f" the columns are {_some(names)}"
            )
        if self.rest == "refuse" and (unknown := [name for name in names if name not in named]):
            return (
                f"unknown column {_some(unknown)}; set rest to properties (to keep such columns)"
                " or to ignore"
            )
        return ""

    def _missing_for_id(self, there: Set[str]) -> str:
        """The first column that ids need and the file lacks; empty if none is missing."""
        missing = [
            name
            for name in self.id_from
            if name not in self.constants and not there & {name, name.split(".")[0]}
        ]
        if self.id_optional and len(missing) < len(self.id_from):
            return ""
        return missing[0] if missing else ""

    def named(self) -> set[str]:
        """Every column that the mapping reads, by its path and by its top-level name."""
        return self.kept() | {name for path in self.id_from for name in (path, path.split(".")[0])}

    def kept(self) -> set[str]:
        """The columns that become a field or a property, without those only used for the id."""
        paths = [path for target in {*FIELDS, *self.sources} for path in self.columns_of(target)]
        return {name for path in paths for name in (path, path.split(".")[0])}


def ambiguous(names: Sequence[str], mapping: ColumnMap) -> str:
    """Which columns mean the same thing, ignoring case, as an error text; empty if none do."""
    counts = Counter(name.lower() for name in names)
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        return f"column {twice[:80]!r} appears twice"
    if mapping.is_plain and {"properties", "properties_json"} <= counts.keys():
        return "there are two columns for properties: properties_json and properties; remove one"
    return ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))[:200]


def parse_map(
    *,
    preset: ColumnMap | None = None,
    maps: Iterable[str] = (),
    constants: Iterable[str] = (),
    id_from: str = "",
    time: str = "",
    rest: str = "",
) -> ColumnMap:
    """A mapping from its arguments as text, on top of a preset. Raises MappingError.

    `maps` are `target=column`, or `target=column|column` for a choice; `constants` are
    `target=value`; `id_from` is a list of columns separated by commas.
    """
    base = preset or ColumnMap()
    fixed = dict(_pair(text) for text in constants)
    sources = {target: tuple(column.split("|")) for target, column in map(_pair, maps)}
    return ColumnMap(
        sources={**{k: v for k, v in base.sources.items() if k not in fixed}, **sources},
        constants={**{k: v for k, v in base.constants.items() if k not in sources}, **fixed},
        id_from=tuple(id_from.split(",")) if id_from else base.id_from,
        id_optional=base.id_optional and not id_from,
        time=cast(Time, time or base.time),
        rest=cast(Rest, rest or base.rest),
    )


def _pair(text: str) -> tuple[str, str]:
    target, equals, value = text.partition("=")
    if not (target and equals and value):
        raise MappingError(f"{text[:80]!r} must have the form target=value")
    return target.strip(), value
