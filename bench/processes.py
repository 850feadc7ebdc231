"""The processes of a stack: how much CPU time and memory each part has used."""

import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from bench.stack import Stack

# The part of a process, by a text in its command line; the first text that is found counts.
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
    """The CPU seconds that each part has used so far, including processes that have ended."""
    children = defaultdict(list)
    for process in _processes():
        children[process.parent].append(process)
    used: dict[str, float] = defaultdict(float)
    for child in children[running.pid]:
        if part := _part(child.pid):
            used[part] += sum(process.seconds for process in _family(child, children))
    return dict(used)


def peak_megabytes(running: Stack, part: str) -> float:
    """The peak memory of a part's first process, in megabytes."""
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
        # The process's name, which ends at the bracket, may contain anything.
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
