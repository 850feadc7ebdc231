"""How PostgreSQL is connected to."""

import socket
from typing import Any

import pytest
from django.db import connection
from psycopg_pool import ConnectionPool

from config.settings import _postgres


@pytest.mark.django_db
def test_a_query_to_a_vanished_server_fails_within_seconds() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert connection.connection is not None
    with socket.socket(fileno=socket.dup(connection.connection.fileno())) as link:
        assert link.family in (socket.AF_INET, socket.AF_INET6)
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000
        idle, interval, count = (
            link.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
    assert idle + interval * count == 15


@pytest.mark.django_db
def test_pauses_between_attempts_to_connect_stay_short() -> None:
    """Seen: 50 s without PostgreSQL, then 11.6 s until a connection; with 5 s, 0.9 s."""
    pool: ConnectionPool[Any] = connection.pool  # type: ignore[attr-defined]
    assert pool.reconnect_timeout <= 5


def test_the_url_overrules_the_defaults_of_a_connection() -> None:
    options = _postgres("postgresql://u@h/d?tcp_user_timeout=1000&sslmode=require")["OPTIONS"]
    assert isinstance(options, dict)
    assert options["tcp_user_timeout"] == "1000"
    assert options["sslmode"] == "require"
    assert options["keepalives_idle"] == 5
