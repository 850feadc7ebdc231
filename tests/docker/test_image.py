"""The image's own steps, as far as they go without Docker."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.project import PROJECT


def test_static_files_are_collected_as_the_dockerfile_does(tmp_path: Path) -> None:
    text = (PROJECT / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
    [line] = re.findall(r"^RUN (.*collectstatic[^&]*)", text, re.MULTILINE)
    words = line.split()
    at = words.index("manage.py")
    variables = dict(word.split("=", 1) for word in words[:at] if "=" in word)
    variables["STATIC_ROOT"] = str(tmp_path / "static")
    subprocess.run(
        [sys.executable, *words[at:]],
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), **variables},
        cwd=PROJECT,
        check=True,
    )
    assert (tmp_path / "static" / "admin").is_dir()
