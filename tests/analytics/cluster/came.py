"""The two events that most tests of a cluster send."""

from datetime import date

from tests.analytics import written

DAY = date(2025, 1, 6)
CAME = written.came("u1", "2025-01-06T12:00:00.000Z") + written.came("u2", "2025-01-07T12:00:00Z")
