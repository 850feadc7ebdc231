"""docker/grafana as Grafana reads it, without a Grafana: its form, its layout, its datasource."""

from itertools import combinations
from typing import Any

import pytest
import yaml

from tests.docker import compose, monitoring
from tests.docker.monitoring import DASHBOARDS, GRAFANA

# Of https://grafana.com/docs' list of units (the registry in @grafana/data), those in use.
UNITS = {"eps", "reqps", "ops", "s", "bytes", "percentunit", "short", "none"}
COLUMNS = 24
# The fields of a panel in version 42 of the schema, and of what is below it.
PANEL = {
    "id": int,
    "type": str,
    "title": str,
    "description": str,
    "gridPos": dict,
    "datasource": dict,
    "targets": list,
    "fieldConfig": dict,
    "options": dict,
}
TARGET = {"refId", "datasource", "editorMode", "expr", "legendFormat", "range"}


def read(name: str) -> Any:
    return yaml.safe_load((GRAFANA / "provisioning" / name).read_text())


def panels(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = monitoring.dashboard(name)["panels"]
    return found


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    at = panel["gridPos"]
    columns = range(at["x"], at["x"] + at["w"])
    return {(x, y) for x in columns for y in range(at["y"], at["y"] + at["h"])}


def test_the_three_published_dashboards_are_there() -> None:
    titles = [monitoring.dashboard(name)["title"] for name in DASHBOARDS]
    assert titles == ["API performance", "Database performance", "Events overview"]


def test_grafana_finds_the_dashboards_where_they_are_mounted() -> None:
    volumes = compose.services()["grafana"]["volumes"]
    [provider] = read("dashboards/events-analytics.yml")["providers"]
    assert f"./docker/grafana/dashboards:{provider['options']['path']}:ro" in volumes
    assert "./docker/grafana/provisioning:/etc/grafana/provisioning:ro" in volumes


def test_every_panel_asks_the_datasource_that_is_provisioned() -> None:
    [source] = read("datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    named = {"type": source["type"], "uid": source["uid"]}
    found = [panel for name in DASHBOARDS for panel in panels(name)]
    assert all(panel["datasource"] == named for panel in found)
    assert all(it["datasource"] == named for panel in found for it in panel["targets"])


def test_grafana_knows_how_often_prometheus_asks() -> None:
    """$__rate_interval follows from it: four times as long, so that no rate is without a value."""
    [source] = read("datasources/prometheus.yml")["datasources"]
    asked = yaml.safe_load(monitoring.CONFIGURATION.read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == asked
    for panel in monitoring.panels():
        for expression in panel.expressions.values():
            assert ("rate(" in expression) == ("[$__rate_interval]" in expression), panel


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_has_the_form_that_grafana_takes(name: str) -> None:
    document = monitoring.dashboard(name)
    assert document["schemaVersion"] == 42
    assert document["uid"] == name
    assert "id" not in document  # Grafana's own
    assert document["description"]
    assert document["templating"] == {"list": []}
    for panel in document["panels"]:
        assert {field: type(value) for field, value in panel.items()} == PANEL, panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_fill_their_rows_and_cover_no_other(name: str) -> None:
    found = panels(name)
    assert len({panel["id"] for panel in found}) == len(found)
    assert len({panel["title"] for panel in found}) == len(found)
    for one, other in combinations(found, 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])
    taken = set().union(*map(cells, found))
    rows = {y for _, y in taken}
    assert taken == {(x, y) for x in range(COLUMNS) for y in rows}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_panel_says_what_it_shows_and_in_which_unit(name: str) -> None:
    for panel in panels(name):
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["description"].endswith("."), panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS
        steps = defaults["thresholds"]["steps"]
        values = [step["value"] for step in steps]
        # The first is of everything below, and the others rise.
        assert values[0] is None
        assert values[1:] == sorted(values[1:])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_targets_are_told_apart(name: str) -> None:
    for panel in panels(name):
        targets = panel["targets"]
        assert targets, panel["title"]
        assert all(set(target) == TARGET for target in targets)
        assert len({target["refId"] for target in targets}) == len(targets)
        legends = [target["legendFormat"] for target in targets]
        assert len(set(legends)) == len(legends)
        # Several lines without names could not be told apart.
        assert all(legends) or len(legends) == 1


def test_a_state_that_every_api_says_alike_is_not_added_up() -> None:
    for expression in monitoring.expressions():
        for name in monitoring.names(expression) & set(monitoring.GAUGES):
            parts = expression.split(name)[:-1]
            assert all(part.endswith(("max(", "store) (", "absent(")) for part in parts), expression
