"""The options of an import as text, the same for the command, the API and the admin."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

from importer.mapping.columns import MappingError, parse_map
from importer.mapping.options import OptionError, Options, parse_max_errors
from importer.mapping.presets import PRESETS


class Arguments(TypedDict, total=False):
    """Each value is text as the user wrote it; an empty value counts as missing.

    `map` is a list of `target=column`, `set` is a list of `target=value`, and `id_from` is a list
    of columns separated by commas.
    """

    preset: str
    map: Sequence[str]
    set: Sequence[str]
    id_from: str
    time: str
    rest: str
    encoding: str
    delimiter: str
    max_errors: str


def parse(**arguments: Unpack[Arguments]) -> Options:
    """The options from their text. Raises OptionError, which names the wrong option."""
    preset = arguments.get("preset", "")
    if preset and preset not in PRESETS:
        raise OptionError(f"preset {preset[:80]!r} is unknown; use one of {', '.join(PRESETS)}")
    try:
        mapping = parse_map(
            preset=PRESETS.get(preset),
            maps=arguments.get("map", ()),
            constants=arguments.get("set", ()),
            id_from=arguments.get("id_from", ""),
            time=arguments.get("time", ""),
            rest=arguments.get("rest", ""),
        )
    except MappingError as error:
        raise OptionError(str(error)) from None
    return Options(
        mapping=mapping,
        encoding=arguments.get("encoding", ""),
        delimiter=arguments.get("delimiter", "").replace("\\t", "\t"),
        max_errors=parse_max_errors(arguments.get("max_errors", "")),
    )
