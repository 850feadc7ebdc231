"""The gateway as a process: its command line, its end, and what survives a kill."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from embedded.ports import pick_free
from tests.embedded.gateway import Gateway, launch, running
from tests.small_disk import small_disk


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway") / "data") as gateway:
        yield gateway


@pytest.fixture
def own(shared: Gateway) -> Gateway:
    """One that may be killed: for the next test it is started again. Its tables stay."""
    assert shared.process is not None
    if shared.process.poll() is not None:
        shared.start()
    return shared


def refused(*arguments: str) -> str:
    """What a gateway that does not start prints: one line, and nothing as its output."""
    process = launch(*arguments)
    output, errors = process.communicate(timeout=30)
    assert process.returncode not in (0, -signal.SIGKILL)
    assert output == ""
    return errors


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com", "::"])
def test_only_a_loopback_address_is_listened_on(tmp_path: Path, host: str) -> None:
    errors = refused("--path", str(tmp_path), "--port", "8123", "--host", host)
    assert f"{host} is not an IPv4 loopback address" in errors


def test_a_port_already_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        errors = refused("--path", str(tmp_path / "data"), "--port", str(port))
    assert errors.count("\n") == 1
    assert f"127.0.0.1:{port}" in errors
    assert "in use" in errors


def test_a_data_folder_in_use_is_named(own: Gateway) -> None:
    errors = refused("--path", str(own.folder), "--port", str(pick_free()))
    assert errors == f"ClickHouse gateway: data folder {own.folder} is in use by another gateway\n"
    assert own.value("SELECT 1") == "1"


def test_a_data_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "data"
    errors = refused("--path", str(folder), "--port", str(pick_free()))
    assert errors == f"ClickHouse gateway: data folder {folder} is not writable: Not a directory\n"


def test_it_listens_on_localhost_and_says_once_that_it_is_ready(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--host", "localhost") as gateway:
        assert gateway.value("SELECT 1") == "1"
        assert gateway.process is not None
        gateway.process.terminate()
        output, errors = gateway.process.communicate(timeout=20)
    assert output == f"ClickHouse gateway ready on http://127.0.0.1:{gateway.port}\n"
    assert errors == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_and_soon_in_the_middle_of_a_query(
    own: Gateway, number: signal.Signals
) -> None:
    sql = quote("SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1")
    asking = threading.Thread(target=ask_in_vain, args=(own, sql))
    asking.start()
    time.sleep(0.5)
    started = time.monotonic()
    assert own.stop(number) == 0
    assert time.monotonic() - started < 5
    asking.join(10)
    with pytest.raises(OSError, match="refused"):
        own.request("GET", "/ping")


def test_many_signals_at_once_end_it_cleanly(own: Gateway) -> None:
    assert own.process is not None
    for _ in range(200):
        own.process.terminate()
    # The last may meet an interpreter that no longer has handlers.
    assert own.stop() in (0, -signal.SIGTERM)


def ask_in_vain(gateway: Gateway, sql: str) -> None:
    with suppress(OSError):
        gateway.request("GET", f"/?query={sql}")


def test_rows_are_there_after_a_clean_end_and_those_of_buffer_tables_too(own: Gateway) -> None:
    own.post(b"CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n")
    own.post(b"INSERT INTO kept SELECT number FROM numbers(1000)")
    own.post(b"CREATE TABLE flushed AS kept")
    own.post(
        b"CREATE TABLE `buf``fer` AS flushed"
        b" ENGINE = Buffer(default, flushed, 1, 100, 100, 100000, 100000, 10000000, 10000000)"
    )
    own.post(b"INSERT INTO `buf``fer` VALUES (1), (2)")
    assert own.value("SELECT count() FROM flushed") == "0"
    assert own.stop() == 0
    own.start()
    assert own.value("SELECT count() FROM kept") == "1000"
    assert own.value("SELECT count() FROM flushed") == "2"


def test_nothing_of_an_upload_is_left_after_a_kill(own: Gateway) -> None:
    own.post(b"CREATE TABLE uploaded (n UInt32) ENGINE = MergeTree ORDER BY n")
    before = set(own.folder.rglob("*"))
    line = b"POST /?query=INSERT%20INTO%20uploaded%20FORMAT%20TSV HTTP/1.1\r\n"
    head = line + b"Content-Length: 9000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", own.port)) as connection:
        connection.sendall(head + b"1\n" * 2_000_000)
        assert own.process is not None
        own.process.kill()
        own.process.communicate(timeout=10)
    assert set(own.folder.rglob("*")) - before == set()
    own.start()
    assert own.value("SELECT count() FROM uploaded") == "0"


TABLES = [
    "CREATE TABLE rows (batch UInt32, n UInt32) ENGINE = MergeTree"
    " PARTITION BY n % 3 ORDER BY batch SETTINGS non_replicated_deduplication_window = 1000",
    "CREATE TABLE rollup (batch UInt32, total UInt64) ENGINE = SummingMergeTree ORDER BY batch"
    " SETTINGS non_replicated_deduplication_window = 1000",
    "CREATE MATERIALIZED VIEW rollup_view TO rollup AS"
    " SELECT batch, count() AS total FROM rows GROUP BY batch",
]


def insert_until_it_breaks(gateway: Gateway, batches: list[int]) -> list[int]:
    """Insert 1,000 rows a batch, each under its own token; returns what was confirmed."""
    confirmed = []
    for batch in batches:
        body = "".join(f"{batch}\t{n}\n" for n in range(1000)).encode()
        target = (
            "/?query=INSERT%20INTO%20rows%20FORMAT%20TSV"
            f"&insert_deduplication_token={batch}"
            "&deduplicate_blocks_in_dependent_materialized_views=1"
        )
        try:
            assert gateway.post(body, target).status == 200
        except (OSError, AssertionError):
            break
        confirmed.append(batch)
    return confirmed


def test_after_kills_amid_inserts_and_repeats_every_batch_is_there_once(own: Gateway) -> None:
    for table in TABLES:
        assert own.post(table.encode()).status == 200
    confirmed: list[int] = []
    for delay in (0.15, 0.4, 0.7):
        assert own.process is not None
        threading.Timer(delay, own.process.kill).start()
        # The last few are sent again, as a client does that never saw their confirmation.
        start = max(0, len(confirmed) - 3)
        done = insert_until_it_breaks(own, list(range(start, 10_000)))
        confirmed = list(range(start + len(done)))
        own.process.communicate(timeout=10)
        own.start()
        counts = own.value("SELECT uniqExact(batch) FROM rows")
        assert len(confirmed) <= int(counts)
    insert_until_it_breaks(own, list(range(len(confirmed) + 3)))
    total = len(confirmed) + 3
    assert own.value("SELECT count(), uniqExact(batch, n) FROM rows") == f"{total}000\t{total}000"
    sums = "SELECT sum(total) AS t FROM rollup GROUP BY batch"
    assert own.value(f"SELECT min(t), max(t), count() FROM ({sums})") == f"1000\t1000\t{total}"


def test_a_full_disk_is_an_error_of_the_insert_and_no_more(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", size="20m") as is_there:
        if not is_there:
            pytest.skip("mounting needs root")
        with running(tmp_path / "small" / "data") as gateway:
            gateway.post(b"CREATE TABLE rows (n UInt64) ENGINE = MergeTree ORDER BY n")
            body = b"INSERT INTO rows FORMAT TSV\n" + b"123456789\n" * 4_000_000
            answer = gateway.post(body)
            assert (answer.status, answer.code) == (500, 243)
            assert b"No space left" in answer.body
            assert gateway.post(b"INSERT INTO rows VALUES (1)").status == 200
            assert gateway.value("SELECT count() FROM rows") == "1"
