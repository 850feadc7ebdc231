"""`make up` and `make demo`: the whole service on this machine, until Ctrl-C."""

import argparse
import os
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from embedded import application, data_folder, demo, metrics_folder, ports, stores
from embedded.supervision.console import Console
from embedded.supervision.processes import PROJECT, StackError
from embedded.supervision.supervisor import Supervisor

# Environment variables. Those that are set are used, and passed on in `stack.env`.
STORE_VARIABLES = (
    "DATABASE_URL",
    "REDIS_URL",
    "RATE_LIMIT_REDIS_URL",
    "CELERY_BROKER_URL",
    "CLICKHOUSE_URL",
)
# As the service reads them.
TRUE = ("1", "true", "yes", "on")


def main() -> int:
    parser = argparse.ArgumentParser(prog="embedded", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="send sample events, show the reports")
    parser.add_argument("--until", help="the last day of the sample events; now without it")
    parser.add_argument("--exit", action="store_true", help="stop when the demo has been shown")
    options = parser.parse_args()
    console = Console()
    try:
        until = _last_day(options.until) if options.demo else None
        with Supervisor(console) as supervisor:
            address = _start(supervisor, console)
            if options.demo:
                _show_demo(supervisor, console, address, until)
            if not options.exit:
                console.say("Ctrl-C stops everything.")
                supervisor.watch()
    except KeyboardInterrupt as signal:
        console.say(f"Stopped by {signal}.")
    except (StackError, OSError) as error:
        print(f"Stopped: {error}", file=sys.stderr)
        return 1
    return 0


def _start(supervisor: Supervisor, console: Console) -> str:
    """Start everything in order. Returns the address of the service. Raises StackError."""
    folder = Path(os.environ.get("DATA_DIR") or PROJECT / ".data").absolute()
    lock = supervisor.keep(data_folder.claimed(folder, say=console.say))
    data_folder.require_finished(folder)
    port = _held_port(supervisor)
    variables = _settings(folder)
    application.require_settings({**variables, "DATA_DIR": str(folder)})
    stores.wait_for_given(variables)
    if "DATABASE_URL" not in variables and not (folder / "postgres").exists():
        console.say(f"Making a new database in {folder}. On a busy machine this takes a minute.")
    for name, program in stores.programs(folder, given=variables, held=(lock,)):
        supervisor.start(program)
        variables[name] = program.url
    variables["METRICS_FOLDER"] = str(supervisor.keep(metrics_folder.made(folder)))
    supervisor.keep(data_folder.announced(folder, variables))
    environment = {**variables, **_logging(), "DATA_DIR": str(folder)}
    for program in application.programs(folder, port, environment):
        supervisor.start(program)
    console.say(_addresses(folder, port, variables))
    return f"http://{ports.HOST}:{port}"


def _logging() -> dict[str, str]:
    """By default there is no line for each request. Colours pass the pipe to this terminal."""
    style = "console" if sys.stdout.isatty() else "json"
    return {
        "LOG_LEVEL": os.environ.get("LOG_LEVEL") or "WARNING",
        "LOG_STYLE": os.environ.get("LOG_STYLE") or style,
    }


def _last_day(text: str | None) -> date | None:
    """The last day of the demo. Raises StackError if there can be no demo."""
    if os.environ.get("API_KEYS_REQUIRED", "").lower() in TRUE:
        raise StackError(
            "the demo sends and reads events without a key; unset API_KEYS_REQUIRED, or start the"
            " service without the demo: make up"
        )
    try:
        return demo.last_day(text) if text else None
    except ValueError as error:
        raise StackError(str(error)) from None


def _show_demo(supervisor: Supervisor, console: Console, address: str, until: date | None) -> None:
    try:
        demo.run(address, say=console.say, until=until)
    except StackError:
        supervisor.look_after()  # says which server has died, which is the better reason
        raise


def _held_port(supervisor: Supervisor) -> int:
    """The port to serve on, from PORT, held until the end of the supervisor's context.

    Without that, a second stack that starts meanwhile would serve on the same port. Raises
    StackError if it is not a port or is taken.
    """
    value = os.environ.get("PORT") or "8000"
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise StackError(f"PORT must be a number from 1 to 65535, got {value!r}")
    try:
        if error := ports.bind_error(int(value)):
            raise error
        supervisor.keep(ports.held(int(value)))
    except OSError as error:
        reason = f"PORT={value} cannot be used: {error.strerror}; set another port"
        raise StackError(reason) from None
    return int(value)


def _settings(folder: Path) -> dict[str, str]:
    given = {name: os.environ[name] for name in STORE_VARIABLES if os.environ.get(name)}
    return {
        "DJANGO_SECRET_KEY": data_folder.signing_key(folder),
        "API_KEYS_REQUIRED": os.environ.get("API_KEYS_REQUIRED", "false"),
        **given,
    }


def _addresses(folder: Path, port: int, variables: Mapping[str, str]) -> str:
    web = f"http://{ports.HOST}:{port}"
    password = folder / "admin-password"
    places = {
        "Dashboard": f"{web}/dashboard/",
        "API": web,
        "Docs": f"{web}/docs",
        "Admin": f"{web}/admin/" + (f" (user admin, password in {password})" * password.exists()),
        "PostgreSQL": without_password(variables["DATABASE_URL"]),
        "Redis": without_password(variables["REDIS_URL"]),
        "ClickHouse": without_password(variables["CLICKHOUSE_URL"]),
    }
    lines = [f"  {name:<11}{place}" for name, place in places.items()]
    passwords = f"  Passwords of the stores are in {folder / data_folder.ANNOUNCEMENT}."
    return "\n".join(["", "Events Analytics is ready.", *lines, passwords, ""])


def without_password(url: str) -> str:
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    return parts._replace(netloc=user + parts.netloc.rpartition("@")[2]).geturl()


if __name__ == "__main__":
    sys.exit(main())
