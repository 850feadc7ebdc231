"""What happens in other threads while the stores are compared."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections


def in_thread(work: Callable[[], object]) -> None:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def before(monkeypatch: Any, module: Any, name: str, happens: Callable[[], object]) -> None:
    """Something happens, once, right before a function of the module is called."""
    real = getattr(module, name)
    pending = [happens]

    def patched(*args: Any, **kwargs: Any) -> Any:
        if pending:
            in_thread(pending.pop())
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, patched)
