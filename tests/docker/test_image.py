"""The image's own steps, as far as they go without Docker."""

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest

from tests.project import PROJECT


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with what .dockerignore lets into the image."""
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    folder = tmp_path / "app"
    for name in [line[1:].strip("/") for line in lines if line.startswith("!")]:
        source, target = PROJECT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            copytree(source, target, ignore=ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            copy(source, target)
    return folder


def test_static_files_are_collected_as_the_dockerfile_does(tmp_path: Path, image: Path) -> None:
    text = (PROJECT / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
    [line] = re.findall(r"^RUN (.*collectstatic[^&]*)", text, re.MULTILINE)
    words = line.split()
    at = words.index("manage.py")
    variables = dict(word.split("=", 1) for word in words[:at] if "=" in word)
    variables["STATIC_ROOT"] = str(tmp_path / "static")
    subprocess.run(
        [sys.executable, *words[at:]],
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), **variables},
        cwd=image,
        check=True,
    )
    assert (tmp_path / "static" / "admin").is_dir()
