"""docker-compose.cluster.yml over docker-compose.yml: 2 shards of 2 replicas, and as closed."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema_rs
import pytest
import yaml

from tests.docker import compose
from tests.docker.compose import SECRETS, Missing, filled
from tests.docker.test_compose import OURS, megabytes
from tests.embedded.gateway import Gateway
from tests.project import PROJECT

FILE = PROJECT / "docker-compose.cluster.yml"
CONFIGURATION = PROJECT / "docker" / "clickhouse"
SERVERS = {
    "clickhouse": ("1", "clickhouse-1-1"),
    "clickhouse-1-2": ("1", "clickhouse-1-2"),
    "clickhouse-2-1": ("2", "clickhouse-2-1"),
    "clickhouse-2-2": ("2", "clickhouse-2-2"),
}
KEEPERS = {f"keeper-{n}": str(n) for n in (1, 2, 3)}


def override(variables: dict[str, str] = SECRETS) -> dict[str, Any]:
    return dict(filled(yaml.safe_load(FILE.read_text()), variables))


def together(variables: dict[str, str] = SECRETS) -> dict[str, Any]:
    """Both files as Compose merges them, by the rules of its spec that they make use of."""
    below, above = compose.load(variables), override(variables)
    services = below["services"]
    for name, service in above["services"].items():
        extended = service.pop("extends", {"service": name})
        base = services.get(extended["service"], {})
        services[name] = merged(base, service)
    below["volumes"] |= above["volumes"]
    return below


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    return {**base, **{key: _merged(key, base.get(key), value) for key, value in over.items()}}


def _merged(key: str, old: Any, new: Any) -> Any:
    if key == "volumes":
        return list((targets(old or []) | targets(new)).values())
    if isinstance(old, list) and isinstance(new, dict):  # networks, whose list is short for a map
        old = dict.fromkeys(old)
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new


def targets(volumes: list[str]) -> dict[str, str]:
    return {volume.split(":")[1]: volume for volume in volumes}


def xml(name: str) -> ElementTree.Element:
    return ElementTree.parse(CONFIGURATION / name).getroot()


@pytest.mark.parametrize("document", [override(), together()], ids=["alone", "together"])
def test_it_follows_the_compose_specification(document: dict[str, Any]) -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    jsonschema_rs.Draft7Validator(schema).validate(document)


def test_servers_and_keepers_are_added_and_nothing_else() -> None:
    added = set(together()["services"]) - set(compose.services())
    assert added == (set(SERVERS) - {"clickhouse"}) | set(KEEPERS)


def test_nothing_more_is_published_or_on_a_network_with_a_way_out() -> None:
    for name in [*SERVERS, *KEEPERS]:
        service = together()["services"][name]
        assert "ports" not in service
        assert set(service["networks"]) == {"inner"}


def test_a_missing_password_stops_with_its_name() -> None:
    without = {name: value for name, value in SECRETS.items() if name != "CLICKHOUSE_PASSWORD"}
    with pytest.raises(Missing, match="CLICKHOUSE_PASSWORD is not set"):
        override(without)


def test_no_secret_stands_in_a_file() -> None:
    for file in (FILE, CONFIGURATION / "cluster.xml", CONFIGURATION / "keeper.xml"):
        assert not re.search(r"(?i)<(secret|password)>|PASSWORD:-", file.read_text())


@pytest.mark.parametrize("name", [*SERVERS, *KEEPERS])
def test_each_is_bounded_watched_started_again_and_has_a_disk_of_its_own(name: str) -> None:
    document = together()
    service = document["services"][name]
    assert megabytes(service["mem_limit"]) > 0
    assert service["restart"] == "unless-stopped"
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"] == "10m"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert re.search(r":v?\d+\.\d+", service["image"])
    own = targets(service["volumes"])["/var/lib/clickhouse"].split(":")[0]
    assert own == name
    assert own in document["volumes"]


@pytest.mark.parametrize("name", SERVERS)
def test_each_server_knows_which_it_is_and_is_asked_by_the_name_of_all(name: str) -> None:
    service = together()["services"][name]
    shard, replica = SERVERS[name]
    assert service["environment"]["CLICKHOUSE_SHARD"] == shard
    assert service["environment"]["CLICKHOUSE_REPLICA"] == service["hostname"] == replica
    assert service["environment"]["CLICKHOUSE_PASSWORD"] == SECRETS["CLICKHOUSE_PASSWORD"]
    assert {name, *service["networks"]["inner"]["aliases"]} >= {"clickhouse", replica}
    assert set(service["depends_on"]) == {"check", *KEEPERS}
    mounted = targets(service["volumes"])
    assert len([it for it in mounted if it.startswith("/etc/clickhouse-server/")]) == 3


def test_the_servers_are_those_of_the_configuration_two_replicas_a_shard() -> None:
    configured = {
        host.text: str(number)
        for number, shard in enumerate(xml("cluster.xml").iterfind("remote_servers/*/shard"), 1)
        for host in shard.iterfind("replica/host")
    }
    assert configured == {replica: shard for shard, replica in SERVERS.values()}
    for shard in xml("cluster.xml").iterfind("remote_servers/*/shard"):
        assert shard.findtext("internal_replication") == "true"
        assert len(shard.findall("replica")) == 2


def test_the_service_names_the_cluster_of_the_configuration() -> None:
    [cluster] = xml("cluster.xml").iterfind("remote_servers/*")
    services = together()["services"]
    for name in set(OURS) - {"check"}:  # which looks at passwords alone
        environment = services[name]["environment"]
        assert environment["CLICKHOUSE_CLUSTER"] == cluster.tag
        assert environment["CLICKHOUSE_URL"].endswith("@clickhouse:8123/events_cluster")
        assert set(environment) == set(compose.services()[name]["environment"])


def test_the_schema_waits_for_every_server() -> None:
    after = together()["services"]["migrate"]["depends_on"]
    assert set(after) == {"postgres", *SERVERS}
    assert all(it == {"condition": "service_healthy"} for it in after.values())


def test_servers_and_keepers_are_told_of_every_keeper() -> None:
    nodes = xml("cluster.xml").findall("zookeeper/node")
    assert {node.findtext("host") for node in nodes} == set(KEEPERS)
    keeper = xml("keeper.xml")
    port = keeper.findtext("keeper_server/tcp_port")
    assert {node.findtext("port") for node in nodes} == {port}
    voters = keeper.findall("keeper_server/raft_configuration/server")
    assert {it.findtext("hostname"): it.findtext("id") for it in voters} == KEEPERS
    for name, number in KEEPERS.items():
        service = together()["services"][name]
        assert service["environment"] == {"KEEPER_ID": number}
        ready = keeper.findtext("keeper_server/http_control/port")
        assert f":{ready}/ready" in service["healthcheck"]["test"][-1]


def test_the_engine_reads_the_cluster_from_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a gateway with that file, as server 2 of shard 1."""
    monkeypatch.setenv("CLICKHOUSE_SHARD", "1")
    monkeypatch.setenv("CLICKHOUSE_REPLICA", "clickhouse-1-2")
    monkeypatch.setenv("CLICKHOUSE_PASSWORD", SECRETS["CLICKHOUSE_PASSWORD"])
    gateway = Gateway(tmp_path / "data")
    gateway.start("--config", str(CONFIGURATION / "cluster.xml"))
    try:
        client = gateway.client()
        rows = client.query(
            "SELECT shard_num, host_name, port, internal_replication FROM system.clusters"
            " WHERE cluster = 'analytics' ORDER BY host_name"
        ).result_rows
        macros = client.query("SELECT macro, substitution FROM system.macros").result_rows
    finally:
        gateway.stop()
    hosts = {replica: int(shard) for shard, replica in SERVERS.values()}
    assert [tuple(row) for row in rows] == [(hosts[it], it, 9000, 1) for it in sorted(hosts)]
    assert sorted(map(tuple, macros)) == [("replica", "clickhouse-1-2"), ("shard", "1")]
