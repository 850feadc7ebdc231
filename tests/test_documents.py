"""The documents: links lead somewhere, commands exist and work, the README stays short."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError

from analytics import clickhouse
from embedded.supervision.processes import PROJECT
from projects.models import DEFAULT
from tests import documents, environment
from tests.documents import DOCS, PAGES, README, sections
from tests.managing import manage_py
from tests.projects.made_projects import put_events
from tests.samples import event
from tests.stored import deliver_all
from tests.web_server import Web

LONGEST_README = 200
# Those of which each shows a person the way through it.
SUBJECTS = sorted(DOCS.glob("*.md"))
ADDRESS = "http://127.0.0.1:8000"
_OPTIONAL = re.compile(r"\[(--[^\]]*)\]")


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= LONGEST_README


@pytest.mark.parametrize("page", PAGES, ids=documents.name)
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    for link in documents.links(page):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not heading or heading in sections(target), link


@pytest.mark.parametrize("page", SUBJECTS, ids=documents.name)
def test_a_page_opens_with_a_table_of_its_contents(page: Path) -> None:
    text = page.read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    contents = "\n".join(f"- [{it}](#{documents.slug(it)})" for it in headings)
    assert len(headings) > 1
    assert re.sub(r"^# .+\n\n", "", text).startswith(f"{contents}\n")


@pytest.mark.parametrize("folder", [DOCS, DOCS / "adr", DOCS / "questions"], ids=documents.name)
def test_an_index_names_every_page_beside_it(folder: Path) -> None:
    index = folder / "index.md"
    linked = {link for link in documents.links(index) if "/" not in link and link[0] != "#"}
    assert linked == {page.name for page in folder.glob("*.md")} - {"index.md"}


def manage_lines() -> list[str]:
    """Each whole call of manage.py in the documents, with lines that are continued made one."""
    text = documents.text().replace("\\\n", " ")
    found = set(re.findall(r"manage\.py ([a-z_]+ (?:'[^'\n]*'|[^`\n|<>)#;'])*)", text))
    return sorted(line.strip() for line in found if "…" not in line)


@pytest.mark.parametrize("line", manage_lines())
def test_commands_of_manage_py_take_the_options_that_the_documents_give(line: str) -> None:
    command, *arguments = shlex.split(_OPTIONAL.sub(r"\1", line))
    app = get_commands()[command]
    assert isinstance(app, str)
    parser = load_command_class(app, command).create_parser("manage.py", command)
    try:
        parser.parse_args(arguments)
    except CommandError as error:
        pytest.fail(f"{line}: {error}")


def test_the_bounds_name_tests_that_there_are() -> None:
    table = sections(DOCS / "promises.md")["bounds"]
    named = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`", table)
    assert len(named) > 20
    for path, function in named:
        assert f"def {function}" in (PROJECT / "tests" / path).read_text(), path


def blocks() -> list[Any]:
    """The blocks of commands that a person runs beside `make up`."""
    names = (
        "api",
        "segments",
        "trends",
        "cohorts",
        "funnels",
        "people",
        "projects",
        "access",
        "importing",
    )
    pages = (README, *(DOCS / f"{name}.md" for name in names))
    return [
        pytest.param(block, id=f"{documents.name(page)}-{number}")
        for page in pages
        for number, block in enumerate(documents.shell(page), start=1)
        if f"{ADDRESS}/" in block or (page == README and "manage.py" in block)
    ]


@pytest.mark.parametrize("block", blocks())
@pytest.mark.usefixtures("stores")
def test_commands_of_the_documents_end_well(web: Web, tmp_path: Path, block: str) -> None:
    put_events(DEFAULT, [event(user_id="u1")])  # of whom the page about people asks
    deliver_all()
    (tmp_path / "events.csv").write_text("event_id,occurred_at,user_id,event_type\n")
    script = block.replace(ADDRESS, f"http://127.0.0.1:{web.port}")
    # The id of an upload is in the answer to the line before.
    script = re.sub(r"(?m)^curl .*/imports/….*$", "", script)
    variables = environment.of_the_stores()
    with manage_py(tmp_path, variables) as manage:
        script = script.replace(".venv/bin/python manage.py", manage)
        done = subprocess.run(
            [
                *("bash", "-euc"),
                f'curl() {{ command curl --silent --fail-with-body "$@"; }}\n{script}',
            ],
            check=False,
            capture_output=True,
            cwd=tmp_path,
            env=variables,
            text=True,
        )
    assert done.returncode == 0, done.stdout + done.stderr


def test_backups_name_the_databases_of_their_service_and_can_be_parsed() -> None:
    said = documents.text(DOCS / "operating.md")
    one, cluster = re.findall(r"match\(name, '(.*?)'\)", said)
    for pattern, name in ((one, "events"), (cluster, "events_cluster")):
        files = "".join(path.read_text() for path in PROJECT.glob("docker-compose*.yml"))
        assert f"@clickhouse:8123/{name}\n" in files
        names = ["events", "events_7", "events_cluster", "events_cluster_7", "events_x", "system"]
        assert [it for it in names if re.search(pattern, it)] == [name, f"{name}_7"]
    statements = re.findall(r'--query "((?:BACKUP|RESTORE) .*?)"', said, re.DOTALL)
    assert ["ON CLUSTER" in it for it in statements] == [False, False, True, True]
    for statement in statements:
        sql = statement.replace("$(cat backup/databases)", "DATABASE a, DATABASE a_7")
        clickhouse.query_server("SELECT formatQuery({sql:String})", parameters={"sql": sql})


def test_pre_commit_runs_what_make_check_runs_beside_the_tests() -> None:
    recipes = re.findall(
        r"(?m)^(?:check|static):.*\n((?:\t.*\n)+)", (PROJECT / "Makefile").read_text()
    )
    lines = [line.split("  #")[0].strip() for line in "".join(recipes).splitlines()]
    tools = [line for line in lines if line.startswith("$(BIN)/")]
    before = tools[: tools.index("$(BIN)/python -m tests.audit")]
    hooks = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"].replace(".venv/bin", "$(BIN)") for hook in hooks] == before
