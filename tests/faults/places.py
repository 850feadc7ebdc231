"""The projects of a run, what was sent to each, and what was promised of it."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle, islice

from embedded.supervision.processes import PROJECT
from projects.numbers import DEFAULT

# What a project was sent of an event: by this a row in the wrong project is found.
NEVER, SENT, PROMISED = range(3)
# Days of the first begin hours before those of UTC, at a quarter of an hour, and days of the second
# hours after; the third has clocks that change twice a year.
ZONES = ("Asia/Kathmandu", "America/Sao_Paulo", "Europe/Kyiv")
_KEY = re.compile(r"^ea_[\w-]+$", re.MULTILINE)


@dataclass
class Place:
    """A project; `states` has what was sent to it, by the number of the event."""

    slug: str = "default"
    number: int = DEFAULT
    zone: str = "UTC"
    key: str = ""
    states: bytearray = field(default_factory=bytearray)

    def state(self, number: int) -> int:
        return self.states[number] if number < len(self.states) else NEVER


class Places:
    """The projects that stay, and those that are still to be deleted.

    An event has one number in all of them, and may be sent to several.
    """

    def __init__(self, stay: list[Place], doomed: list[Place]) -> None:
        self.stay, self.doomed = stay, doomed
        self.claimed = 0
        self._lock = threading.Lock()

    @property
    def promised(self) -> int:
        """How many events were promised, in each project that stays."""
        return sum(place.states.count(PROMISED) for place in self.stay)

    @property
    def shared(self) -> int:
        """How many of these ids are promised in more than one project."""
        counts = [0] * self.claimed
        for place in self.stay:
            for number, state in enumerate(place.states):
                counts[number] += state == PROMISED
        return sum(count > 1 for count in counts)

    def claim(self, count: int) -> range:
        """Numbers that nobody has used."""
        with self._lock:
            first, self.claimed = self.claimed, self.claimed + count
        return range(first, first + count)

    def send(self, place: Place, numbers: range) -> int:
        """Note what is being sent. Returns how many of it were sent there before."""
        with self._lock:
            place.states.extend(bytes(max(0, numbers.stop - len(place.states))))
            part = place.states[numbers.start : numbers.stop]
            # What was promised stays promised.
            place.states[numbers.start : numbers.stop] = part.replace(bytes([NEVER]), bytes([SENT]))
            return len(numbers) - part.count(NEVER)

    def promise(self, place: Place, numbers: range) -> None:
        """Note what was accepted after it was sent."""
        with self._lock:
            place.states[numbers.start : numbers.stop] = bytes([PROMISED]) * len(numbers)


def made(environment: Mapping[str, str], *, projects: int, doomed: int) -> Places:
    """The default project and new ones, `projects` in all, besides those to be deleted.

    All by the commands that a person would use, in one process: each takes seconds to start.
    """
    new = list(_new(projects - 1, doomed))
    lines = ["from django.core.management import call_command as c"]
    lines += [f"c('make_project', {one.slug!r}, time_zone={one.zone!r})" for one in new]
    lines += [
        f"c('make_api_key', 'faults', scope=['ingest'], project={one.slug!r})"
        for one in [Place(), *new]
    ]
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", "\n".join(lines)],
        cwd=PROJECT,
        env=dict(environment),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    numbers = [DEFAULT, *map(int, re.findall(r", number (\d+)$", done.stdout, re.MULTILINE))]
    keys = _KEY.findall(done.stdout)
    places = [
        Place(one.slug, number, one.zone, key)
        for one, number, key in zip([Place(), *new], numbers, keys, strict=True)
    ]
    return Places(places[:projects], places[projects:])


def _new(stay: int, doomed: int) -> Iterator[Place]:
    zones = cycle(ZONES)
    for n, zone in enumerate(islice(zones, stay), 1):
        yield Place(f"app-{n}", zone=zone)
    for n, zone in enumerate(islice(zones, doomed), 1):
        yield Place(f"doomed-{n}", zone=zone)
