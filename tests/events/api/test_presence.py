"""Who is here now: people counted once, in the last minutes, of one project."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from events.api import presence
from projects.models import DEFAULT
from tests.projects.made_projects import project, put_events
from tests.samples import event, moment

pytestmark = pytest.mark.usefixtures("stores", "no_delivery")


def here() -> tuple[int, int]:
    now = datetime.now(UTC)
    return presence.users_between(now - timedelta(minutes=5), now, project=DEFAULT)


def sent(user: str, **ago: float) -> dict[str, Any]:
    return event(user_id=user, occurred_at=moment(**ago))


def test_people_count_once_and_only_in_these_minutes() -> None:
    put_events(DEFAULT, [sent("a", minutes=1), sent("a", minutes=2), sent("b", minutes=4)])
    put_events(DEFAULT, [sent("early", minutes=6), sent("future", minutes=-9)])
    with project("other") as other:
        put_events(other.pk, [sent("theirs", minutes=1)])
        assert here() == (2, 3)


def test_in_a_busy_minute_only_the_newest_events_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "MOST_EVENTS", 2)
    put_events(DEFAULT, [sent(user, seconds=n) for n, user in enumerate("abcd", start=1)])
    assert here() == (3, 3)
