"""What reading files prints, and how much memory it takes, in a process of its own."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from config.settings import BASE_DIR

_BEGINNING = """\
import sys, resource, django; django.setup()
import pyarrow.parquet, pyarrow.compute
from pathlib import Path
from importer.reading.files import opened
from importer.mapping.options import Options
from importer.reading import columns_and_chunks
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    with opened(Path(path)) as file:
        found = columns_and_chunks(file, Options())[1]
"""
_END = "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"


def reading(paths: Sequence[Path], *lines: str) -> tuple[list[str], int]:
    """What `lines` print of `found`, the chunks of each file, and by how many KiB the peak grew.

    One process for all files: it takes 2 s of CPU to start.
    """
    code = _BEGINNING + "".join(f"        {line}\n" for line in lines) + _END
    *said, grown = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, paths)],
        cwd=BASE_DIR,
        env={"DJANGO_SETTINGS_MODULE": "config.settings", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return said, int(grown)
