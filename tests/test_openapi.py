"""The service answers as its OpenAPI document says, whatever it is asked: by schemathesis."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.events.keys import secret
from tests.web_server import running

# Of the checks' own environment, or of PATH.
PLACES = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
PROGRAM = shutil.which("schemathesis", path=PLACES)
# What one parameter says may contradict another, or the body: `from` after `to`, a Content-Encoding
# that the body has not, a column that the file lacks. The document can't say so; refusing is right.
LEFT_OUT = "positive_data_acceptance"


def asked(port: int, folder: Path, *options: str) -> str:
    """What schemathesis says of a run with every check."""
    assert PROGRAM
    done = subprocess.run(
        [
            *(PROGRAM, "run", f"http://127.0.0.1:{port}/openapi.json", "--no-color"),
            *("--checks=all", f"--exclude-checks={LEFT_OUT}", "--continue-on-failure"),
            *("--suppress-health-check=all", "--workers=2", "--seed=1", *options),
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
