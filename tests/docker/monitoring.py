"""What is asked of Prometheus: the panels of the dashboards, the alerts, and what they may name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.project import PROJECT

CONFIGURATION = PROJECT / "docker" / "prometheus" / "prometheus.yml"
RULES = CONFIGURATION.parent / "rules.yml"
RULES_TEST = Path(__file__).parent / "rules_test.yml"
GRAFANA = PROJECT / "docker" / "grafana"
DASHBOARDS = {path.stem: path for path in sorted((GRAFANA / "dashboards").glob("*.json"))}

# What the service shows, and the labels of each.
COUNTERS = {
    "events_received_total": {"source"},
    "events_rejected_total": {"source"},
    "events_stored_total": {"source"},
    "events_duplicate_total": {"source"},
    "events_delivered_total": set[str](),
    "events_failed_total": {"stage"},
    "rate_limit_hits_total": {"limit"},
}
HISTOGRAMS = {
    "events_processing_seconds": {"stage"},
    "api_request_duration_seconds": {"method", "route", "status"},
    "clickhouse_query_seconds": {"report"},
}
GAUGES = {
    "events_queue_messages": set[str](),
    "events_queue_age_seconds": set[str](),
    "batches_undelivered": set[str](),
    "batches_undelivered_age_seconds": set[str](),
    "batches_failed": set[str](),
    "hot_events_rows": set[str](),
    "workers_alive": set[str](),
    "beat_age_seconds": set[str](),
    "store_up": {"store"},
    "postgresql_connections": set[str](),
    "postgresql_connections_limit": set[str](),
    "redis_memory_bytes": {"store"},
    "redis_memory_limit_bytes": {"store"},
    "clickhouse_disk_free_bytes": set[str](),
    "clickhouse_disk_total_bytes": set[str](),
}
# What Prometheus makes itself.
OWN = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "severity"}}
SERIES = {
    **COUNTERS,
    **GAUGES,
    **OWN,
    **{f"{name}_bucket": {*labels, "le"} for name, labels in HISTOGRAMS.items()},
    **{f"{name}_count": labels for name, labels in HISTOGRAMS.items()},
}
_WORDS = {"and", "or", "unless", "bool", "by", "on"}
_NOT_NAMES = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|on|without|ignoring) *\([^)]*\)')
_COMPARISON = re.compile(r"(\{[^}]*\})|(==|!=|>=|<=|>|<)")


class Panel(NamedTuple):
    dashboard: str
    title: str
    expressions: dict[str, str]
    """By legend."""

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.title}"


def dashboard(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DASHBOARDS[name].read_text())
    return document


def panels() -> Iterator[Panel]:
    for name in DASHBOARDS:
        for panel in dashboard(name)["panels"]:
            expressions = {it["legendFormat"]: it["expr"] for it in panel["targets"]}
            yield Panel(name, panel["title"], expressions)


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def expressions() -> Iterator[str]:
    """Of every panel and of every alert."""
    for panel in panels():
        yield from panel.expressions.values()
    yield from (rule["expr"] for rule in alerts().values())


def within(expression: str, span: str = "1m") -> str:
    """As Grafana sends it to Prometheus."""
    return expression.replace("$__rate_interval", span)


def names(expression: str) -> set[str]:
    """The metrics that it names."""
    text = _NOT_NAMES.sub(" ", expression)
    return set(re.findall(r"\b[a-zA-Z_]\w*\b(?! *\()", text)) - _WORDS


def operands(expression: str) -> str:
    """What an alert compares: the same expression, with a value whether it fires or not.

    Looks back on a minute alone, as nothing has run for hours in a test.
    """
    text = _COMPARISON.sub(lambda found: found[1] or f"{found[2]} bool", expression)
    text = text.replace("absent(", "(")
    return re.sub(r"\[\w+:\w+\]", "[1m:1s]", text)


def labels(expression: str) -> Iterator[tuple[str, str]]:
    """Each metric with each label that its matchers ask for."""
    for name, matchers in re.findall(r"(\w+)\{([^}]*)\}", expression):
        for label in re.findall(r'(\w+) *(?:=~|!~|!=|=) *"', matchers):
            yield name, label


def named_in(legend: str) -> list[str]:
    """The labels that it shows."""
    return re.findall(r"\{\{(\w+)\}\}", legend)
