"""The service in as many processes as containers, and a real Prometheus that asks each of them."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

import urllib3
import yaml

from embedded import ports
from embedded.supervision.processes import Process, Program
from tests import environment
from tests.docker import compose, monitoring, nginx

TOKEN = "a token of the tests"
# Not among ALLOWED_HOSTS: Prometheus asks by addresses that nobody can list beforehand.
API_HOST = "127.0.0.2"
LIMIT = 20
VARIABLES = {
    "METRICS_TOKEN": TOKEN,
    "RATE_LIMIT_PER_MINUTE": str(LIMIT),
    "API_KEYS_REQUIRED": "false",
    "LOG_LEVEL": "ERROR",
}
Samples = list[tuple[dict[str, str], float]]


class Prometheus(NamedTuple):
    port: int

    def get(self, path: str, **parameters: str) -> Any:
        url = f"http://{ports.HOST}:{self.port}/api/v1/{path}"
        answer = urllib3.request("GET", url, fields=parameters, timeout=20, retries=False).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def samples(self, expression: str) -> Samples:
        """What it is now; values that are no numbers are none."""
        found = self.get("query", query=expression)["result"]
        values = [(it["metric"], float(it["value"][1])) for it in found]
        return [(labels, value) for labels, value in values if not isnan(value)]

    def value(self, expression: str) -> float | None:
        found = self.samples(expression)
        return found[0][1] if found else None


class Service(NamedTuple):
    apis: list[str]
    workers: list[str]


@contextmanager
def service(folder: Path) -> Iterator[Service]:
    """Two api containers, two workers and beat: each counts in a folder of its own.

    The second api may read one row a report, so that there are answers of 503.
    """
    running = Service([], [])
    with ExitStack() as stack:
        for number, rows in enumerate(["0", "1"]):
            api, worker = ports.pick_free(), ports.pick_free()
            counted = {
                "METRICS_FOLDER": str(folder / f"api-{number}"),
                "CLICKHOUSE_QUERY_ROWS": rows,
            }
            program = nginx.api(api, host=API_HOST, **VARIABLES, **counted)
            stack.enter_context(Process(program))
            running.apis.append(f"{API_HOST}:{api}")
            stack.enter_context(Process(_worker(f"worker-{number}", worker, folder)))
            running.workers.append(f"{ports.HOST}:{worker}")
        stack.enter_context(Process(_celery("beat", folder)))
        yield running


def _worker(name: str, port: int, folder: Path) -> Program:
    address = f"http://{ports.HOST}:{port}/metrics"
    options = [f"--hostname={name}@tests"]
    return _celery("worker", folder / name, *options, port=port, address=address)


def _celery(service: str, folder: Path, *options: str, port: int = 0, address: str = "") -> Program:
    """The command of docker-compose.yml."""
    name, *given = compose.services()[service]["command"]
    counted = {"METRICS_FOLDER": str(folder), "METRICS_PORT": str(port)}
    return Program(
        name=service,
        command=[str(Path(sys.executable).parent / name), *given, *options],
        ready=lambda: not address or _shows_metrics(address),
        environment={**environment.of_the_stores(), **VARIABLES, **counted},
    )


def _shows_metrics(address: str) -> bool:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        answer = urllib3.request("GET", address, headers=headers, timeout=5, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200


@contextmanager
def prometheus(binary: str, folder: Path, service: Service) -> Iterator[Prometheus]:
    """docker/prometheus with nothing changed but addresses, paths and how often it asks."""
    port = ports.pick_free()
    token, file = folder / "token", folder / "prometheus.yml"
    token.write_text(TOKEN)
    file.write_text(yaml.safe_dump(_configuration(port, token, service)))
    address = f"{ports.HOST}:{port}"
    program = Program(
        name="prometheus",
        command=[
            *(binary, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"),
            *(f"--web.listen-address={address}", "--log.level=warn"),
        ],
        ready=lambda: nginx.answers(port, path="/-/ready"),
    )
    with Process(program):
        yield Prometheus(port)


def _configuration(port: int, token: Path, service: Service) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(monitoring.CONFIGURATION.read_text())
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document["rule_files"] = [str(monitoring.RULES)]
    targets = {"api": service.apis, "worker": service.workers}
    targets["prometheus"] = [f"{ports.HOST}:{port}"]
    # The embedded ClickHouse has no metrics of its own; no expression needs them.
    jobs = [job for job in document["scrape_configs"] if job["job_name"] != "clickhouse"]
    for job in jobs:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
        if "authorization" in job:
            job["authorization"] = {"credentials_file": str(token)}
    return {**document, "scrape_configs": jobs}
