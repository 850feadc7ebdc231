"""The supervisor with stand-ins for its programs: order, patience, deaths, and nothing left."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from embedded.supervision.processes import PROJECT
from embedded.supervision.supervisor import SAME_SECONDS
from tests.embedded.stack import runs
from tests.embedded.supervision.supervising import (
    IN_BACKGROUND,
    LEAVES_SLOWLY,
    POLITE,
    QUIET,
    SLEEPS,
    STUBBORN,
    SUPERVISE,
    TALKS,
    WITH_RUNAWAY,
    count_up,
    ended,
    supervising,
)
from tests.small_disk import small_disk
from tests.waiting import wait_until


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


def test_programs_are_stopped_in_reverse_order(output: Path) -> None:
    starts = [f"supervisor.start(python('{name}', {POLITE}))" for name in ("first", "second")]
    with supervising(output, *starts) as process:
        count_up(output, 2)
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 0
    lines = [line for line in output.read_text().splitlines() if "leaves" in line]
    assert ["second" in lines[0], "first" in lines[1]] == [True, True]
    assert "stopped by SIGHUP" in output.read_text()


def test_a_program_that_will_not_stop_is_killed_after_its_grace(output: Path) -> None:
    with supervising(
        output, f"supervisor.start(python('s', {STUBBORN}, stop_timeout=1))"
    ) as process:
        count_up(output, 1)
        asked = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        assert time.monotonic() - asked >= 1


def test_a_second_signal_hurries(output: Path) -> None:
    with supervising(
        output, f"supervisor.start(python('s', {STUBBORN}, stop_timeout=600))"
    ) as process:
        count_up(output, 1)
        process.send_signal(signal.SIGINT)
        time.sleep(SAME_SECONDS + 0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_signals_within_a_second_are_one(output: Path) -> None:
    """A SIGTERM to the group of `make up` comes from the sender and once more from make."""
    with supervising(output, f"supervisor.start(python('s', {LEAVES_SLOWLY}))") as process:
        count_up(output, 1)
        process.terminate()
        time.sleep(0.2)
        process.terminate()
        assert process.wait(20) == 0
    assert "has tidied up" in output.read_text()


def test_a_descendant_that_left_its_group_does_not_survive(output: Path) -> None:
    with supervising(output, f"supervisor.start(python('s', {WITH_RUNAWAY}))") as process:
        count_up(output, 1)
        kin = psutil.Process(process.pid).children(recursive=True)
        assert "sleep" in [child.name() for child in kin]
        process.terminate()
        assert process.wait(20) == 0
        assert not [child for child in kin if runs(child)]


def test_a_program_that_is_not_ready_in_time_is_named_with_its_last_words(output: Path) -> None:
    late = f"supervisor.start(python('late', {STUBBORN}, ready=lambda: False, start_timeout=1))"
    with supervising(output, f"supervisor.start(python('first', {POLITE}))", late) as process:
        assert process.wait(20) == 1
    assert "failed: late was not ready after 1 s\nis up" in output.read_text()
    assert "first" in next(line for line in output.read_text().splitlines() if "leaves" in line)


def test_a_start_may_take_longer_than_a_stop(output: Path) -> None:
    slow = f"supervisor.start(python('slow', {POLITE}, ready=ready, stop_timeout=0.1))"
    ready = "began = time.monotonic(); ready = lambda: time.monotonic() > began + 0.5"
    with supervising(output, ready, slow, "console.say('all is ready')") as process:
        wait_until(lambda: "all is ready" in output.read_text(), seconds=20)
        process.terminate()
        assert process.wait(20) == 0


def test_a_program_that_fails_before_it_is_ready_ends_the_start(output: Path) -> None:
    brief = "import time; print('no port', flush=True); time.sleep(0.5); raise SystemExit(7)"
    start = f"supervisor.start(python('brief', {brief!r}, ready=lambda: False))"
    with supervising(output, start) as process:
        assert process.wait(20) == 1
    assert "failed: brief ended with code 7 before it was ready\nno port" in output.read_text()


def test_a_program_that_dies_is_started_again_and_the_others_are_left_alone(output: Path) -> None:
    starts = [f"supervisor.start(python('{name}', {POLITE}))" for name in ("first", "second")]
    with supervising(output, *starts) as process:
        count_up(output, 2)
        first, second = psutil.Process(process.pid).children()
        first.kill()
        count_up(output, 3)
        assert runs(second)
        assert "first was killed by SIGKILL; started again at once\n" in output.read_text()
        process.terminate()
        assert process.wait(20) == 0


def test_pauses_grow_and_the_fifth_death_within_a_minute_ends_all(output: Path) -> None:
    source = "print('no memory', flush=True); raise SystemExit(7)"
    quick = "deaths.PAUSES = (0, 0.1, 0.2)"
    with supervising(output, quick, f"supervisor.start(python('brief', {source!r}))") as process:
        assert process.wait(20) == 1
    said = re.findall(r"stack *\| (.*)", output.read_text())
    assert said == [
        f"brief ended with code 7; started again {when}"
        for when in ("at once", "after 0.1 s", "after 0.2 s", "after 0.2 s")
    ]
    last = "failed: brief ended with code 7, the 5th time within a minute\nno memory\n"
    assert output.read_text().endswith(last)


def test_deaths_while_the_disk_is_full_are_no_reason_to_give_up(
    output: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    with small_disk(small, size="40m") as is_there:
        if not is_there:
            pytest.skip("this machine lets nobody mount")
        filler = small / "filler"
        filler.write_bytes(bytes(20 * 2**20))
        source = f"import os; os.path.exists('{filler}') and os._exit(1); {SLEEPS}"
        start = f"supervisor.start(python('brief', {source!r}, disk=Path('{small}')))"
        with supervising(output, "deaths.PAUSES = (0, 0.05)", start) as process:
            said = f"while the disk with {small} was full: make room; started again after 0.05 s"
            wait_until(lambda: output.read_text().count(said) > 6, seconds=20)
            filler.unlink()
            count_up(output, 1)
            process.terminate()
            assert process.wait(20) == 0


def test_deaths_while_a_store_is_away_are_no_reason_to_give_up(output: Path) -> None:
    away = output.with_name("away")
    away.touch()
    source = f"import os; os.path.exists('{away}') and os._exit(7); {SLEEPS}"
    relies = f"relies_on={{'the store': lambda: not Path('{away}').exists()}}"
    quick = "deaths.PAUSES = (0, 0.05)"
    start = f"supervisor.start(python('brief', {source!r}, {relies}))"
    with supervising(output, quick, start) as process:
        said = "brief ended with code 7 while the store did not answer; started again after 0.05 s"
        wait_until(lambda: output.read_text().count(said) > 6, seconds=20)
        away.unlink()
        count_up(output, 1)
        process.terminate()
        assert process.wait(20) == 0


def test_what_a_dead_program_left_is_gone_before_it_starts_again(output: Path) -> None:
    """PostgreSQL's children hold its memory, and nothing about them tells whose they are."""
    source = (
        f"import fcntl, subprocess; held = open('{output}.lock', 'w');"
        " fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB);"
        " subprocess.Popen(['sleep', '600'], pass_fds=[held.fileno()], env={},"
        f" start_new_session=True); {SLEEPS}"
    )
    with supervising(output, f"supervisor.start(python('server', {source!r}))") as process:
        count_up(output, 1)
        [server] = psutil.Process(process.pid).children()
        server.kill()
        count_up(output, 2)
        assert "BlockingIOError" not in output.read_text()
        process.terminate()
        assert process.wait(20) == 0


def test_a_program_that_dies_while_another_starts_is_started_again(output: Path) -> None:
    ready = output.with_name("ready")
    late = f"supervisor.start(python('late', {POLITE}, ready=Path('{ready}').exists))"
    starts = [f"supervisor.start(python('first', {POLITE}))", late, "console.say('all is up')"]
    with supervising(output, "supervision.SAY_SECONDS = 0.2", *starts) as process:
        count_up(output, 2)
        psutil.Process(process.pid).children()[0].kill()
        count_up(output, 3)
        wait_until(lambda: "Still waiting for late: " in output.read_text(), seconds=20)
        ready.touch()
        count_up(output, 4)
        process.terminate()
        assert process.wait(20) == 0


def test_a_signal_in_the_pause_before_a_start_stops_everything(output: Path) -> None:
    starts = [f"supervisor.start(python('{name}', {POLITE}))" for name in ("first", "second")]
    with supervising(output, "deaths.PAUSES = (600,)", *starts) as process:
        count_up(output, 2)
        kin = psutil.Process(process.pid).children()
        kin[0].kill()
        wait_until(lambda: len(psutil.Process(process.pid).children()) == 1, seconds=20)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert not [child for child in kin if runs(child)]


def test_a_signal_during_the_start_stops_what_has_been_started(output: Path) -> None:
    waits = f"supervisor.start(python('late', {POLITE}, ready=lambda: False))"
    with supervising(output, f"supervisor.start(python('first', {POLITE}))", waits) as process:
        count_up(output, 2)
        kin = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        assert process.wait(20) == 0
        assert not [child for child in kin if runs(child)]


def test_the_supervisor_and_its_programs_heed_signals_that_a_shell_ignored(
    output: Path,
) -> None:
    """A shell has what a script runs in the background ignore them."""
    ignored = "['grep', 'SigIgn', '/proc/self/status']"
    shows = f"supervisor.start(Program(name='shows', command={ignored}, once=True))"
    waits = f"supervisor.start(python('waits', {POLITE}))"
    with supervising(output, shows, waits, by=IN_BACKGROUND) as process:
        count_up(output, 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert "stopped by SIGINT" in output.read_text()
    [mask] = re.findall(r"SigIgn:\s+([0-9a-f]+)$", output.read_text(), re.MULTILINE)
    stopping = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
    assert not [number for number in stopping if int(mask, 16) >> (number - 1) & 1]


def test_a_terminal_that_is_gone_blocks_no_program(tmp_path: Path) -> None:
    """Not even one that logs more than a pipe holds."""
    done = tmp_path / "done"
    source = f"print('long line ' * 100_000); open('{done}', 'w'); import time; time.sleep(600)"
    start = f"supervisor.start(python('talker', {source!r}))"
    command = [sys.executable, "-c", SUPERVISE.format(start=start)]
    with ended(subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        process.stdout.close()
        wait_until(done.exists, seconds=20)
        process.terminate()
        assert process.wait(20) == 0


def test_a_closed_terminal_stops_everything(tmp_path: Path) -> None:
    start = f"supervisor.start(python('first', {POLITE}))"
    command = [sys.executable, "-c", SUPERVISE.format(start=start)]
    terminal, stdin = os.openpty()
    output = tmp_path / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=PROJECT, stdin=stdin, stdout=file, start_new_session=True
        )
    with ended(process):
        count_up(output, 1)
        os.close(stdin)
        os.close(terminal)
        assert process.wait(20) == 0
    assert "stopped by the end of its terminal" in output.read_text()


def test_what_a_store_says_while_it_starts_is_shown_only_if_it_never_is_ready(output: Path) -> None:
    ready = output.with_name("ready")
    fine = TALKS.format(then=f"open('{ready}', 'w'); time.sleep(1); print('is up', flush=True)")
    is_ready = f"ready=lambda: Path('{ready}').exists()"
    with supervising(output, f"supervisor.start(python('s', {fine}, {QUIET}, {is_ready}))"):
        count_up(output, 1)
    assert "starts ..." in output.read_text()
    assert "oO0OoO0" not in output.read_text()
    bad, never = TALKS.format(then="exit(3)"), "ready=lambda: False"
    with supervising(output, f"supervisor.start(python('s', {bad}, {QUIET}, {never}))") as process:
        assert process.wait(20) == 1
    assert "failed: s ended with code 3 before it was ready\noO0OoO0" in output.read_text()
