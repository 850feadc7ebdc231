"""The web server's start and its end."""

import signal

import psutil
import pytest

from embedded import ports
from embedded.supervision.processes import Process
from tests import web_server
from tests.waiting import wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_many_signals_at_once_end_it_cleanly(number: signal.Signals) -> None:
    with Process(web_server.program(ports.pick_free())) as web:
        assert web.process is not None
        workers = psutil.Process(web.process.pid).children()
        # One told so while it is still starting is waited for.
        wait_until(lambda: all(worker.num_threads() > 2 for worker in workers))
        for _ in range(200):
            web.process.send_signal(number)
        # The last may meet an interpreter that no longer has handlers.
        assert web.process.wait(timeout=15) in (0, -number)
        assert psutil.wait_procs(workers, timeout=1)[1] == []


def test_its_processes_share_what_the_application_takes() -> None:
    with web_server.running() as web:
        for process in web.process.children():
            memory = process.memory_full_info()
            assert memory.uss < memory.rss / 2
