"""The options of an import as text, the same for the command, the API and the admin."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

from importer.mapping.columns import MappingError, parse_map
from importer.mapping.options import OptionError, Options, parse_max_errors
from importer.mapping.presets import PRESETS


class Arguments(TypedDict, total=False):
    """Each as it is written; empty is the same as missing. `map` is a list of `target=column`,
    `set` one of `target=value`, `id_from` columns with commas between.
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
    """Raises OptionError naming what means nothing."""
    preset = arguments.get("preset", "")
    if preset and preset not in PRESETS:
        raise OptionError(f"preset {preset[:80]!r} is none of {', '.join(PRESETS)}")
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
