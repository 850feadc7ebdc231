"""django-celery-beat's scheduler, which also says that it is alive."""

import time
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

from config.monitoring import liveness


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    _said_at = 0.0

    def tick(self, *args: Any, **options: Any) -> Any:
        if time.monotonic() >= self._said_at + liveness.EVERY_SECONDS:
            self._said_at = time.monotonic()
            liveness.note_beat()
        return super().tick(*args, **options)
