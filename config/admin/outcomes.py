"""Tells in a few lines what an action of the admin did to many rows."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from structlog import get_logger

from config.building_blocks.messages import brief

log = get_logger(__name__)

# Messages are kept in a cookie or in a row of the session, so there must be few.
_SHOWN_FAULTS = 10


class Outcome:
    """Counts what was done and what was not, with the first reasons why."""

    def __init__(self, action: str, by: Any) -> None:
        self._action, self._by = action, by.get_username()
        self.done = self.faults = 0
        self._shown: list[str] = []

    def fault(self, reason: object) -> None:
        self.faults += 1
        if self.faults <= _SHOWN_FAULTS:
            self._shown.append(brief(reason))

    def tell(self, request: HttpRequest, success: str) -> None:
        """Tell the person, and the log in one line. `success` says what was done, if anything."""
        if self.done:
            messages.success(request, success)
        for reason in self._shown:
            messages.error(request, f"{reason}.")
        if self.faults > _SHOWN_FAULTS:
            messages.error(request, f"… and {self.faults - _SHOWN_FAULTS} more failed.")
        log.info(
            "admin_action", action=self._action, count=self.done, left=self.faults, by=self._by
        )
