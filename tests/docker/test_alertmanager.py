"""docker/prometheus tells its alerts to an Alertmanager that is named as the documents say."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from embedded import ports
from embedded.supervision.processes import Process, Program
from tests import documents
from tests.docker import monitoring, nginx
from tests.waiting import wait_until

PROMETHEUS, ALERTMANAGER = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
MISSING = "not installed (apt-get install prometheus prometheus-alertmanager)"


def alertmanager(folder: Path, port: int) -> Program:
    assert ALERTMANAGER
    file = folder / "alertmanager.yml"
    file.write_text("{route: {receiver: nobody}, receivers: [{name: nobody}]}")
    return Program(
        name="alertmanager",
        command=[
            *(ALERTMANAGER, f"--config.file={file}", f"--storage.path={folder / 'alerts'}"),
            *(f"--web.listen-address={ports.HOST}:{port}", "--cluster.listen-address="),
        ],
        ready=lambda: nginx.answers(port, path="/-/ready"),
    )


def prometheus(folder: Path, port: int) -> Program:
    """Our configuration, in which nobody answers, with alerts that do not wait to be sure."""
    assert PROMETHEUS
    shutil.copytree(monitoring.CONFIGURATION.parent, folder, dirs_exist_ok=True)
    document = yaml.safe_load((folder / "prometheus.yml").read_text())
    document |= {"global": {"evaluation_interval": "1s"}, "scrape_configs": []}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(document))
    rules = re.sub(r"(?m)^ +for: .*\n", "", monitoring.RULES.read_text())
    (folder / "rules.yml").write_text(rules)
    return Program(
        name="prometheus",
        command=[
            *(PROMETHEUS, f"--config.file={folder / 'prometheus.yml'}"),
            *(f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn"),
            f"--web.listen-address={ports.HOST}:{port}",
            # The first time is before it has found the other.
            "--rules.alert.resend-delay=1s",
        ],
        ready=lambda: nginx.answers(port, path="/-/ready"),
    )


def named_by_the_documents(address: str) -> str:
    """What they say to put into the file, with another address."""
    [line] = re.findall(r"`(\[\{targets: .*?)`", documents.text(documents.DOCS / "alerts.md"))
    return re.sub(r'"[^"]+"', f'"{address}"', line)


@pytest.mark.production
@pytest.mark.skipif(not PROMETHEUS or not ALERTMANAGER, reason=MISSING)
def test_an_alert_arrives_with_its_severity_and_runbook(tmp_path: Path) -> None:
    port = ports.pick_free()

    def arrived() -> dict[str, Any]:
        found = urllib3.request("GET", f"http://{ports.HOST}:{port}/api/v2/alerts").json()
        return {alert["labels"]["alertname"]: alert for alert in found}

    with Process(alertmanager(tmp_path, port)):
        (tmp_path / "alertmanagers.yml").write_text(named_by_the_documents(f"{ports.HOST}:{port}"))
        with Process(prometheus(tmp_path, ports.pick_free())):
            wait_until(lambda: "ApiGone" in arrived(), seconds=60)
            alert = arrived()["ApiGone"]
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"] == monitoring.alerts()["ApiGone"]["annotations"]


@pytest.mark.production
@pytest.mark.skipif(not PROMETHEUS, reason=MISSING)
def test_without_an_alertmanager_prometheus_starts_all_the_same(tmp_path: Path) -> None:
    with Process(prometheus(tmp_path, ports.pick_free())):
        assert not (tmp_path / "alertmanagers.yml").exists()
