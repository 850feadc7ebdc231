"""The service answers as its OpenAPI document says, whatever it is asked: by schemathesis."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.projects.made_keys import secret
from tests.urls import UNRESOLVED, every_route
from tests.web_server import running

# Of the checks' own environment, or of PATH.
PLACES = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
PROGRAM = shutil.which("schemathesis", path=PLACES)
# What one parameter says may contradict another, or the body: `from` after `to`, a Content-Encoding
# that the body has not, a column that the file lacks. The document can't say so; refusing is right.
LEFT_OUT = "positive_data_acceptance"


def unnamed(schema: Any, place: str) -> Iterator[str]:
    """Where in the schema, below its own top, an object with fields stands without a name."""
    for name, part in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if isinstance(part, dict | list):
            if isinstance(part, dict) and "properties" in part and "type" in part:
                yield f"{place} {name}"
            yield from unnamed(part, f"{place} {name}")


def document() -> dict[str, Any]:
    generator: Any = SchemaGenerator
    found: dict[str, Any] = generator().get_schema(request=None, public=True)
    return found


def test_every_object_has_a_name() -> None:
    """Generators of clients make up a class for each that has none."""
    said = document()
    assert list(unnamed(said["paths"], "")) == []
    schemas = said["components"]["schemas"]
    assert [place for name, one in schemas.items() for place in unnamed(one, name)] == []
    assert {"Event", "EventPage", "Problem", "DailyUsers", "ImportProgress"} <= schemas.keys()


def test_every_url_but_those_of_pages_is_documented() -> None:
    said = document()
    routes = {re.sub("<.*?>", "{id}", route) for route, _ in every_route()} | {*UNRESOLVED}
    pages = {"/", "/docs", "/openapi.json", "/admin", "/login", "/logout"}
    assert {re.sub(r"\{.*?\}", "{id}", path) for path in said["paths"]} == {
        route
        for route in routes - pages
        if not route.startswith(("/admin/", "/dashboard", "/shared"))
    }
    assert said["servers"] == [{"url": "/"}]


def asked(port: int, folder: Path, *options: str) -> str:
    """What schemathesis says of a run with every check.

    One worker: Python 3.11 may fail to parse in two threads at once, and hypothesis does parse.
    """
    assert PROGRAM
    done = subprocess.run(
        [
            *(PROGRAM, "run", f"http://127.0.0.1:{port}/openapi.json", "--no-color"),
            *("--checks=all", f"--exclude-checks={LEFT_OUT}", "--continue-on-failure"),
            *("--suppress-health-check=all", "--workers=1", "--seed=1", *options),
            *("--header", f"Authorization: Bearer {secret()}"),
        ],
        cwd=folder,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.openapi_hooks",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not PROGRAM, reason="schemathesis is not installed")
@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize(
    ("options", "least"),
    [
        pytest.param(["--phases=examples,coverage"], 300, id="each rule broken once"),
        pytest.param(
            ["--phases=examples,coverage,fuzzing", "--max-examples=300"],
            2_000,
            id="thousands of requests",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_answer_is_one_that_the_document_describes(
    options: list[str], least: int, tmp_path: Path
) -> None:
    with running(API_KEYS_REQUIRED="true") as web:
        said = asked(web.port, tmp_path, *options)
    [count] = re.findall(r"([\d,]+) generated", said)
    assert int(count.replace(",", "")) >= least, said
