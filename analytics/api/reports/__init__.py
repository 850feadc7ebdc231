"""One module a report, with its `REPORT`. Each is served at `/stats/{path}` and documented."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from analytics.api.report import Report


def all_reports() -> Iterator[Report]:
    """The reports, in the order of their modules' names."""
    for module in iter_modules(__path__):
        report: Report = import_module(f"{__name__}.{module.name}").REPORT
        yield report
