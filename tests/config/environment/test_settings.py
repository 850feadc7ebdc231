"""Settings are read strictly, and the documents list every one of them."""

import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment.variables import Environment
from tests import documents
from tests.documents import DOCS
from tests.project import PROJECT

# Read by the one-machine stack, not by Django.
STACK_ONLY = {"PORT", "DATA_DIR"}


def read_by_the_code() -> set[str]:
    text = (PROJECT / "config" / "settings.py").read_text()
    readers = "text|secret|word|address|number|flag|items|choice"
    return set(re.findall(rf'env\.(?:{readers})\(\s*"([A-Z_]+)"', text))


def asked_for_by_compose() -> set[str]:
    text = "".join(path.read_text() for path in PROJECT.glob("docker-compose*.yml"))
    return set(re.findall(r"\$\{([A-Z_]+)", text)) - read_by_the_code()


def environment(**variables: str) -> Environment:
    return Environment(variables, stack_file=Path("/nonexistent"))


def test_the_example_file_lists_every_setting_and_what_compose_asks_for_and_no_other() -> None:
    lines = (PROJECT / ".env.example").read_text().splitlines()
    listed = {line.split("=")[0] for line in lines if "=" in line and not line.startswith("#")}
    assert listed == read_by_the_code() | STACK_ONLY | asked_for_by_compose()


def test_the_documents_list_every_setting_and_no_other() -> None:
    rows = re.findall(
        r"^\| `([A-Z_]+)` \|", documents.text(DOCS / "configuration.md"), re.MULTILINE
    )
    assert set(rows) == read_by_the_code() | STACK_ONLY
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("value", ["", "ten", "1.5", "-1"])
def test_a_wrong_number_names_its_variable(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="HOT_WINDOW_DAYS"):
        environment(HOT_WINDOW_DAYS=value).number("HOT_WINDOW_DAYS", 7, minimum=1)


@pytest.mark.parametrize(
    "value",
    ["", "localhost", "mysql://u:hush@h/d", "://h", "postgresql://u:hush@h:54x/d", "http://[::1"],
)
def test_a_wrong_address_names_its_variable_and_is_not_repeated(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must be like post") as raised:
        environment(DATABASE_URL=value).address("DATABASE_URL", "", "postgres", "postgresql")
    assert "hush" not in str(raised.value)


def test_a_wrong_flag_names_its_variable() -> None:
    with pytest.raises(ImproperlyConfigured, match="DJANGO_DEBUG"):
        environment(DJANGO_DEBUG="maybe").flag("DJANGO_DEBUG", False)


@pytest.mark.parametrize("value", ["a b", "1a", "a-b", "a`", "a'", "é", "a" * 65])
def test_a_name_that_would_be_more_than_a_name_in_sql_is_refused(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="CLICKHOUSE_CLUSTER"):
        environment(CLICKHOUSE_CLUSTER=value).word("CLICKHOUSE_CLUSTER")


def test_a_name_is_taken_as_it_is_and_none_is_no_name() -> None:
    assert environment(CLICKHOUSE_CLUSTER="Events_2").word("CLICKHOUSE_CLUSTER") == "Events_2"
    assert environment().word("CLICKHOUSE_CLUSTER") == ""
    assert environment(CLICKHOUSE_CLUSTER="").word("CLICKHOUSE_CLUSTER") == ""


def test_a_variable_set_by_hand_wins_over_the_stacks_own(tmp_path: Path) -> None:
    stack = tmp_path / "stack.env"
    stack.write_text("REDIS_URL=redis://stack\nDATABASE_URL=postgresql://stack\n")
    values = Environment({"REDIS_URL": "redis://mine"}, stack_file=stack)
    assert values.text("REDIS_URL") == "redis://mine"
    assert values.text("DATABASE_URL") == "postgresql://stack"
    with pytest.raises(ImproperlyConfigured, match="NOWHERE"):
        values.text("NOWHERE")
