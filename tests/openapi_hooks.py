"""What schemathesis leaves out, and why; it loads this file itself (tests/test_openapi.py)."""

from typing import Any

import schemathesis


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """An empty Content-Encoding names no coding, by RFC 9110: right of the service to take it."""
    headers = {name.lower(): value for name, value in (case.headers or {}).items()}
    return str(headers.get("content-encoding", "identity")).strip() != ""
