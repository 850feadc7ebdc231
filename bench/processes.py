"""The processes of a stack: what each part of it has used of the processor and of memory."""

import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from bench.stack import Stack

# What tells a part by its command line, the first that is found in it.
_MARKS = {
    "embedded.gateway": "clickhouse",
    "embedded.web": "web",
    "bin/postgres": "postgres",
    "redis-server": "redis",
    " beat ": "beat",
    " worker ": "worker",
}
_TICKS = os.sysconf("SC_CLK_TCK")


class _Process(NamedTuple):
    pid: int
    parent: int
    seconds: float


def cpu_seconds(running: Stack) -> dict[str, float]:
    """By part, what all its processes have used so far, those that ended among them."""
    children = defaultdict(list)
    for process in _processes():
        children[process.parent].append(process)
    used: dict[str, float] = defaultdict(float)
    for child in children[running.pid]:
        if part := _part(child.pid):
            used[part] += sum(process.seconds for process in _family(child, children))
    return dict(used)


def peak_megabytes(running: Stack, part: str) -> float:
    """The most memory that the first process of a part has had."""
    for process in _processes():
        if process.parent == running.pid and _part(process.pid) == part:
            status = Path(f"/proc/{process.pid}/status").read_text()
            lines = dict(line.split(":", 1) for line in status.splitlines())
            return int(lines["VmHWM"].split()[0]) / 1024
    raise RuntimeError(f"the process of {part} was not found")


def _family(process: _Process, children: dict[int, list[_Process]]) -> list[_Process]:
    found = [process]
    for child in children.get(process.pid, []):
        found += _family(child, children)
    return found


def _processes() -> list[_Process]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:  # it has ended meanwhile
            continue
        # The name before the bracket may hold anything.
        fields = text.rpartition(")")[2].split()
        own_and_ended_childrens = sum(int(field) for field in fields[11:15])
        found.append(
            _Process(int(stat.parent.name), int(fields[1]), own_and_ended_childrens / _TICKS)
        )
    return found


def _part(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
    return next((part for mark, part in _MARKS.items() if mark in command), "")
