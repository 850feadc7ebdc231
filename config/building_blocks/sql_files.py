"""Reads SQL statements from files, one statement a file."""

from collections.abc import Callable
from functools import cache
from pathlib import Path


def reader(package_file: str) -> Callable[[str], str]:
    """A function that reads `<name>.sql` in the folder of a package, given its `__file__`."""

    @cache
    def load(name: str) -> str:
        return (Path(package_file).parent / f"{name}.sql").read_text()

    return load
