"""SQL statements at rest, one a file."""

from collections.abc import Callable
from functools import cache
from pathlib import Path


def reader(package_file: str) -> Callable[[str], str]:
    """What gives the text of `<name>.sql`, which lies beside the `__file__` of a package."""

    @cache
    def load(name: str) -> str:
        return (Path(package_file).parent / f"{name}.sql").read_text()

    return load
