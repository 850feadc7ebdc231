"""What schemathesis leaves out, and why; it loads this file itself (tests/test_openapi.py)."""

from collections import defaultdict
from typing import Any

import schemathesis

# A wrong value of a parameter that many operations share is sent to so many of them.
OPERATIONS = 3
_told: dict[tuple[str, ...], set[str]] = defaultdict(set)
_broken: set[tuple[str, ...]] = set()


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    return not _names_no_coding(case) and not _repeats(case)


def _names_no_coding(case: Any) -> bool:
    """An empty Content-Encoding names no coding, by RFC 9110: right of the service to take it."""
    headers = {name.lower(): value for name, value in (case.headers or {}).items()}
    return str(headers.get("content-encoding", "identity")).strip() == ""


def _repeats(case: Any) -> bool:
    """Whether enough operations were told this wrong value, and this one another of its kind.

    Schemathesis sends each wrong value with each combination of other parameters, to each
    operation: more than half of all its requests.
    """
    if case.meta.phase.name != "coverage" or case.meta.generation.mode.is_positive:
        return False
    data = case.meta.phase.data
    name, place = data.parameter, data.parameter_location
    if not name or not place or place.container_name == "body":
        return False
    operation, value = case.operation.label, (getattr(case, place.container_name) or {}).get(name)
    told = _told[place.name, name, repr(value)]
    kind = (operation, place.name, name, str(data.scenario))
    if operation in told or (kind in _broken and len(told) >= OPERATIONS):
        return True
    told.add(operation)
    _broken.add(kind)
    return False
