"""Command line of the gateway: `python -m embedded.gateway --path DIR --port N`."""

import argparse
import ipaddress
import os
import signal
import sys
import threading
from pathlib import Path

# Days and weeks are UTC, whatever the machine's zone; chDB reads this when it is loaded.
os.environ["TZ"] = "UTC"

from embedded.gateway.engine import Engine, FolderError, default_memory_bytes
from embedded.gateway.handler import GatewayServer

_SHUTDOWN_SECONDS = 4.0


def _loopback(value: str) -> str:
    host = "127.0.0.1" if value == "localhost" else value
    try:
        if ipaddress.IPv4Address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(
        f"{value} is not an IPv4 loopback address; the gateway has no TLS, so it accepts no other"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="embedded.gateway", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="data directory")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", type=_loopback, default="127.0.0.1")
    parser.add_argument("--memory-mib", type=int, default=default_memory_bytes() // 2**20)
    parser.add_argument("--max-queries", type=int, default=16, help="queries running at once")
    parser.add_argument("--queue-seconds", type=float, default=10.0, help="wait for a free slot")
    parser.add_argument("--config", type=Path, help="ClickHouse's own settings, such as clusters")
    return parser.parse_args()


def main() -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code."""
    arguments = _arguments()
    try:
        server = GatewayServer(
            (arguments.host, arguments.port), password=os.environ.get("GATEWAY_PASSWORD")
        )
    except (OSError, OverflowError) as error:
        return _fail(f"can't listen on {arguments.host}:{arguments.port}: {error}")
    try:
        engine = Engine(
            path=arguments.path,
            memory_bytes=arguments.memory_mib * 2**20,
            max_queries=arguments.max_queries,
            queue_seconds=arguments.queue_seconds,
            config=arguments.config,
        )
    except FolderError as error:
        return _fail(str(error))
    return _serve(server, engine, f"http://{arguments.host}:{arguments.port}")


def _serve(server: GatewayServer, engine: Engine, address: str) -> int:
    told = _told_to_end()
    threading.Thread(target=server.serve, args=(engine,), daemon=True).start()
    print(f"ClickHouse gateway ready on {address}", flush=True)
    os.read(told, 1)
    server.shutdown()
    server.server_close()
    if not engine.close(patience_seconds=_SHUTDOWN_SECONDS):
        print("ClickHouse gateway: a query did not end; stopping anyway", file=sys.stderr)
        os._exit(0)  # what was confirmed is on disk
    return 0


def _told_to_end() -> int:
    """The reading end of a pipe, to which each SIGTERM and SIGINT writes.

    A handler that sets an Event would wait for itself if the next signal interrupts it. This does
    happen: when a parent dies, its child gets one signal for each thread that the parent had.
    """
    told, note = os.pipe()
    os.set_blocking(note, False)
    signal.set_wakeup_fd(note, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return told


def _fail(reason: str) -> int:
    print(f"ClickHouse gateway: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
