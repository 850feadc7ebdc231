"""docker/prometheus, read by promtool where it is there: who is scraped, and what fires when."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from django.core.management import get_commands

from tests import documents
from tests.docker import compose, monitoring
from tests.docker.compose import SECRETS
from tests.docker.monitoring import SERIES
from tests.project import PROJECT

PROMTOOL = shutil.which("promtool")
MISSING = "promtool is not installed (apt-get install prometheus)"
ALERTS = monitoring.alerts()
RUNBOOK = documents.DOCS / "alerts.md"
SEVERITIES = {"critical", "warning", "info"}


def promtool(*arguments: str | Path) -> str:
    """What it says; it must not complain."""
    assert PROMTOOL
    run = subprocess.run([PROMTOOL, *arguments], check=False, capture_output=True, text=True)
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    return said


def jobs() -> dict[str, dict[str, Any]]:
    document = yaml.safe_load(monitoring.CONFIGURATION.read_text())
    return {job["job_name"]: job for job in document["scrape_configs"]}


@pytest.mark.production
@pytest.mark.skipif(not PROMTOOL, reason=MISSING)
def test_promtool_finds_no_fault_in_the_configuration_and_its_rules(tmp_path: Path) -> None:
    shutil.copytree(monitoring.CONFIGURATION.parent, tmp_path, dirs_exist_ok=True)
    file, token = tmp_path / "prometheus.yml", tmp_path / "metrics_token"
    token.write_text("secret")
    text = file.read_text()
    assert text.count("/run/secrets/metrics_token") == 2
    file.write_text(text.replace("/run/secrets/metrics_token", str(token)))
    assert f"SUCCESS: {len(ALERTS)} rules found" in promtool("check", "config", file)


@pytest.mark.production
@pytest.mark.skipif(not PROMTOOL, reason=MISSING)
def test_alerts_fire_when_they_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", monitoring.RULES_TEST)


@pytest.mark.production
@pytest.mark.skipif(not PROMTOOL, reason=MISSING)
def test_every_expression_of_the_dashboards_parses(tmp_path: Path) -> None:
    found = [monitoring.within(it) for it in monitoring.expressions()]
    rules = [{"record": f"panel:{number}", "expr": it} for number, it in enumerate(found)]
    file = tmp_path / "expressions.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    assert f"SUCCESS: {len(found)} rules found" in promtool("check", "rules", file)


def test_each_alert_is_tested_to_fire() -> None:
    assert not [name for name in ALERTS if f'"{name}"' not in monitoring.RULES_TEST.read_text()]


def test_expressions_name_only_metrics_and_labels_that_there_are() -> None:
    for expression in monitoring.expressions():
        named = monitoring.names(expression)
        assert named, expression
        assert named - set(SERIES) == set(), expression
        for name, label in monitoring.labels(expression):
            assert label in SERIES[name], expression


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on(name: str) -> None:
    alert = ALERTS[name]
    assert set(alert["labels"]) == {"severity"}
    assert alert["labels"]["severity"] in SEVERITIES
    notes = alert["annotations"]
    assert set(notes) == {"summary", "description", "runbook"}
    file, _, heading = notes["runbook"].partition("#")
    assert file == documents.name(RUNBOOK)
    assert name.lower() in heading
    assert len(documents.sections(RUNBOOK)[heading].strip()) > 80


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    titles = re.findall(r"^## (.+)$", documents.text(RUNBOOK), re.MULTILINE)
    assert titles[0] == "How alerts reach you"
    assert sorted(", ".join(titles[1:]).split(", ")) == sorted(ALERTS)


def test_commands_of_the_runbook_name_services_commands_and_log_lines_that_there_are() -> None:
    text = documents.text(RUNBOOK)
    commands = re.findall(r"^docker compose (\w+)([^|;#\n]*)", text, re.MULTILINE)
    named = {
        word
        for command, words in commands
        for word in words.split()[: 1 if command == "exec" else None]
        if re.fullmatch(r"[a-z][a-z-]+", word)
    }
    assert set(compose.services()) > named > {"api", "worker", "clickhouse", "rate-limit"}
    assert set(re.findall(r"manage\.py (\w+)", text)) == {"deliver_batches"} <= set(get_commands())
    logged = set(re.findall(r'"event":"(\w+)"', text))
    code = "".join(path.read_text() for app in ("config", "events") for path in files(app))
    assert {name for name in logged if f'"{name}"' in code} == logged != set()


def files(app: str) -> list[Path]:
    return list((PROJECT / app).rglob("*.py"))


def test_what_can_wait_wakes_nobody() -> None:
    urgent = {name for name, it in ALERTS.items() if it["labels"]["severity"] == "critical"}
    assert urgent == {
        "ApiGone",
        "DeliveryStopped",
        "DiskFull",
        "ErrorRateHigh",
        "NoWorker",
        "StoreDown",
    }
    assert all("for" in alert for alert in ALERTS.values())


def test_prometheus_asks_every_container_where_it_answers() -> None:
    services, found = compose.services(), jobs()
    [api], [worker] = (found[name]["dns_sd_configs"] for name in ("api", "worker"))
    assert (api["names"], worker["names"]) == (["api"], ["worker"])
    assert {"api", "worker"} <= set(services)
    assert f"--port={api['port']}" in services["api"]["command"]
    assert services["worker"]["environment"]["METRICS_PORT"] == str(worker["port"])
    [clickhouse] = found["clickhouse"]["dns_sd_configs"]
    assert (clickhouse["names"], clickhouse["port"]) == (["clickhouse"], 9363)
    root = ElementTree.parse(PROJECT / "docker" / "clickhouse" / "config.xml")
    assert root.findtext("prometheus/port") == "9363"


def test_prometheus_shows_the_token_from_the_mounted_file() -> None:
    services, found = compose.services(), jobs()
    for name in ("api", "worker"):
        assert found[name]["authorization"] == {"credentials_file": "/run/secrets/metrics_token"}
    assert SECRETS["METRICS_TOKEN"] not in str(services["prometheus"])
