"""docker-compose.yml: valid, closed to the outside, bounded, and fed with settings that exist."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.core.management import get_commands

from tests import documents
from tests.config.environment.test_settings import read_by_the_code
from tests.docker import compose
from tests.docker.compose import SECRETS, Missing
from tests.project import PROJECT

OURS = {"api", "worker", "beat", "migrate", "check"}
STORES = {"postgres", "redis", "rate-limit", "clickhouse"}
ONE_SHOT = {"migrate", "check"}
UNITS = {"m": 1, "g": 1024}
HOST_MEGABYTES = 4096
# Settings that are not an operator's to choose here; the image sets the last two.
FIXED = {"DJANGO_DEBUG", "DATA_DIR", "STATIC_ROOT", "IMPORT_FOLDER"}


def megabytes(limit: str) -> int:
    return int(limit[:-1]) * UNITS[limit[-1]]


def example() -> dict[str, str]:
    lines = (PROJECT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def named() -> set[str]:
    """Every variable of .env that the file asks for."""
    text = re.sub(r"(?m)^ *#.*$", "", compose.FILE.read_text())
    given = {
        name
        for service in compose.services().values()
        for name, value in service.get("environment", {}).items()
        if value is None
    }
    return set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text)) | given


def test_it_follows_the_compose_specification() -> None:
    # schema/compose-spec.json of github.com/compose-spec/compose-spec (Apache-2.0) at 170098ba07d9.
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    # By name, as its $schema is no address that the library knows.
    jsonschema_rs.Draft7Validator(schema).validate(compose.load(SECRETS))


def test_all_of_the_published_architecture_is_there() -> None:
    others = {"nginx", "prometheus", "grafana"}
    assert set(compose.services()) == OURS | STORES | others


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_secret_stops_with_its_name(name: str, value: str | None) -> None:
    variables = {**SECRETS, name: value or ""}
    if value is None:
        del variables[name]
    with pytest.raises(Missing, match=f"{name} is not set"):
        compose.load(variables)


def test_no_secret_has_a_default() -> None:
    for name, value in example().items():
        if name in SECRETS:
            assert value == ""
    text = compose.FILE.read_text()
    assert not [name for name in SECRETS if re.search(rf"\$\{{{name}:?-", text)]


def test_every_store_asks_for_the_password_that_the_service_has() -> None:
    services = compose.services()
    urls = services["api"]["environment"]
    assert SECRETS["POSTGRES_PASSWORD"] in urls["DATABASE_URL"]
    assert SECRETS["REDIS_PASSWORD"] in urls["REDIS_URL"]
    assert SECRETS["REDIS_PASSWORD"] in urls["RATE_LIMIT_REDIS_URL"]
    assert SECRETS["CLICKHOUSE_PASSWORD"] in urls["CLICKHOUSE_URL"]
    for name in ("redis", "rate-limit"):
        assert "requirepass $REDISCLI_AUTH" in services[name]["command"][-1]
        assert SECRETS["REDIS_PASSWORD"] not in str(services[name]["command"])


def test_only_nginx_prometheus_and_grafana_are_published() -> None:
    published = {name: it["ports"] for name, it in compose.services().items() if "ports" in it}
    assert set(published) == {"nginx", "prometheus", "grafana"}
    assert published["nginx"] == ["80:8080"]
    # Prometheus has no password: on this machine alone unless told otherwise.
    assert published["prometheus"] == ["127.0.0.1:9090:9090"]
    assert published["grafana"] == ["127.0.0.1:3000:3000"]


def test_nothing_else_is_on_a_network_with_a_way_out() -> None:
    document = compose.load(SECRETS)
    assert document["networks"]["inner"]["internal"] is True
    outside = {name for name, it in document["services"].items() if it["networks"] != ["inner"]}
    assert outside == {"nginx", "prometheus", "grafana"}
    assert not any("network_mode" in it for it in document["services"].values())


@pytest.mark.parametrize("name", compose.services())
def test_every_service_is_bounded_watched_and_started_again(name: str) -> None:
    service = compose.services()[name]
    assert megabytes(service["mem_limit"]) > 0
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"] == "10m"
    if name not in ONE_SHOT:
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        # `up --wait` waits for the first answer: not for a whole interval.
        assert int(service["healthcheck"]["start_interval"].removesuffix("s")) <= 5
    # Two of the same service could not both have it.
    assert "container_name" not in service


def test_one_of_each_fits_a_host_with_4_gb() -> None:
    running = [it for name, it in compose.services().items() if name not in ONE_SHOT]
    assert sum(megabytes(it["mem_limit"]) for it in running) <= HOST_MEGABYTES - 200


def test_images_are_pinned_and_ours_is_built() -> None:
    for name, service in compose.services().items():
        assert re.search(r":v?\d+\.\d+", service["image"]) or name in OURS, name
        assert ("build" in service) == (name in OURS)


def test_ours_run_without_root_rights_on_a_file_system_they_cannot_change() -> None:
    for name in OURS:
        service = compose.services()[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        # One folder of uploads for all of them, as a worker imports what an api took in.
        assert service["volumes"] == ["uploads:/var/lib/events"]


def test_the_service_starts_behind_its_stores_and_their_schema() -> None:
    services = compose.services()
    for name in OURS - ONE_SHOT:
        after = services[name]["depends_on"]
        assert after["migrate"] == {"condition": "service_completed_successfully"}
        assert {it for it in after if after[it] == {"condition": "service_healthy"}} == STORES
    assert set(services["migrate"]["depends_on"]) == {"postgres", "clickhouse"}
    for name in STORES:
        assert services[name]["depends_on"] == {
            "check": {"condition": "service_completed_successfully"}
        }
    assert services["nginx"]["depends_on"] == {"api": {"condition": "service_healthy"}}


def test_what_must_outlive_a_container_is_on_a_named_volume() -> None:
    document = compose.load(SECRETS)
    for name, folder in {
        "postgres": "/var/lib/postgresql",
        "redis": "/data",
        "clickhouse": "/var/lib/clickhouse",
        "prometheus": "/prometheus",
        "grafana": "/var/lib/grafana",
        "api": "/var/lib/events",
    }.items():
        volumes = dict(it.split(":")[:2][::-1] for it in document["services"][name]["volumes"])
        assert volumes[folder] in document["volumes"], name


def test_files_that_are_mounted_are_in_the_repository() -> None:
    mounted = [
        volume.split(":")[0]
        for service in compose.services().values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    assert len(mounted) > 6
    assert not [path for path in mounted if not (PROJECT / path).exists()]


def test_prometheus_has_the_token_that_the_service_asks_for_as_a_file() -> None:
    document = compose.load(SECRETS)
    assert document["services"]["prometheus"]["secrets"] == [
        {"source": "metrics_token", "mode": 0o444}  # readable without being root
    ]
    assert document["secrets"]["metrics_token"] == {"environment": "METRICS_TOKEN"}
    assert document["services"]["api"]["environment"]["METRICS_TOKEN"] == SECRETS["METRICS_TOKEN"]


def test_every_variable_passed_to_the_service_is_a_setting_and_every_setting_is_passed() -> None:
    environments: list[dict[str, Any]] = [compose.services()[name]["environment"] for name in OURS]
    assert all(environment == environments[0] for environment in environments)
    assert set(environments[0]) == read_by_the_code() - FIXED


def test_the_example_file_has_every_variable_that_compose_asks_for() -> None:
    assert named() - set(example()) == set()


def test_the_example_file_alone_makes_a_whole_configuration() -> None:
    """Values that would lead the service to stores of another machine are not taken from it."""
    environment = compose.services({**example(), **SECRETS})["api"]["environment"]
    assert not [name for name, value in environment.items() if value and "localhost:" in value]
    assert environment["ALLOWED_HOSTS"] == "localhost,127.0.0.1,[::1],127.0.0.1"


def test_many_processes_find_enough_connections() -> None:
    services = compose.services()
    [limit] = [int(it[18:]) for it in services["postgres"]["command"] if "max_connections" in it]
    web = 3 * int(option(services["api"], "workers"))
    workers = 8 * (int(example()["WORKER_CONCURRENCY"]) + 1)
    pool = int(example()["POSTGRES_POOL_SIZE"])
    assert (web + workers + 1) * pool <= limit - 20


def option(service: dict[str, Any], name: str) -> str:
    [value] = [it.partition("=")[2] for it in service["command"] if it.startswith(f"--{name}=")]
    return str(value)


def test_what_the_documents_run_there_is() -> None:
    text = documents.text()
    asked = re.findall(r"docker compose (?:exec|run)(?: -[\w-]+)* ([a-z][a-z-]+)", text)
    assert set(compose.services()) > set(asked) > {"api", "migrate", "redis", "postgres"}
    commands = set(re.findall(r"manage\.py ([a-z_]+)", text))
    assert commands <= set(get_commands())
    targets = set(re.findall(r"^([a-z]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?m)(?:`|^)make ([a-z]+)", text)) <= targets


def test_a_copy_of_clickhouse_lies_where_the_documents_take_it_from() -> None:
    configured = (PROJECT / "docker" / "clickhouse" / "config.xml").read_text()
    [folder] = re.findall(r"<allowed_path>(.*)</allowed_path>", configured)
    volumes = compose.services()["clickhouse"]["volumes"]
    assert "clickhouse:/var/lib/clickhouse" in volumes
    assert f"/var/lib/clickhouse/{folder}/events.tar" in documents.text(
        documents.DOCS / "operating.md"
    )
