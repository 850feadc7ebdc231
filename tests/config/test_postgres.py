"""How PostgreSQL is connected to."""

import socket

import pytest
from django.db import connection

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


def test_the_url_overrules_the_defaults_of_a_connection() -> None:
    options = _postgres("postgresql://u@h/d?tcp_user_timeout=1000&sslmode=require")["OPTIONS"]
    assert isinstance(options, dict)
    assert options["tcp_user_timeout"] == "1000"
    assert options["sslmode"] == "require"
    assert options["keepalives_idle"] == 5
