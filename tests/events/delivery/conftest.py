"""Fixtures of blocks that are sent again."""

import pytest


@pytest.fixture
def settled(by_hand: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is delivered but by the test, and nothing worth waiting for is on its way."""
    # By its name: a conftest may be loaded before Django is set up.
    monkeypatch.setattr("events.delivery.redelivery._SETTLE_SECONDS", 0.001)
