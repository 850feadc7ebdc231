"""The worker's connections to PostgreSQL, around its tasks."""

from types import SimpleNamespace
from typing import Any

import pytest
from celery import current_app
from celery.fixups.django import DjangoWorkerFixup
from django.db import connection

from config.celery import _give_back_connection


@pytest.mark.usefixtures("transactional_db")
def test_a_task_that_ends_closes_no_pool_under_the_threads_that_use_it() -> None:
    fixup = DjangoWorkerFixup(current_app)
    fixup._is_prefork = lambda: True
    connection.ensure_connection()
    pool: Any = connection.pool  # type: ignore[attr-defined]
    task: Any = SimpleNamespace(request=SimpleNamespace(is_eager=False))
    fixup.on_task_postrun(task)
    _give_back_connection(task)
    assert not pool.closed
    assert connection.connection is None  # given back
