"""A store that is full, away, damaged or shared: nothing half-written, nothing lost that was there, and the next run completes."""

import json
import os
import signal
import time
from contextlib import suppress
from functools import partial

import pytest

from perptape.store.tape import Tape
from support.simulator import ended, room_again

pytestmark = pytest.mark.slow

COLLECT = "{openInterest: {backfill: 1d}, funding: {backfill: 12d}}"
FULL = 1500
"""Bytes that a file may have on a disk that is full: store.json fits, no segment does."""
NEARLY = 5_100
"""An instrument fits, a day of history does not."""


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def until(true, seconds=40.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not within its time"
        time.sleep(0.05)


def drained(process):
    """What a process has said on stderr so far, each time it is called, without waiting for more."""
    handle = process.stderr.fileno()
    os.set_blocking(handle, False)
    said = bytearray()

    def so_far():
        with suppress(BlockingIOError):
            while chunk := os.read(handle, 65536):
                said.extend(chunk)
        return said.decode()

    return so_far


@pytest.fixture
def stopping():
    """Processes that are killed at the end of a test that failed before it stopped them."""
    started = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_a_full_disk_ends_a_run_with_3_and_leaves_nothing_half_written(simulated, tmp_path, whole):
    spec = simulated.spec("binance", "bybit", collect=COLLECT)
    tape = tmp_path / "tape"
    found = simulated.run("run", spec, "--once", "--catalog", tape, largest=FULL)
    assert found.returncode == 3, found.stdout
    assert "Traceback" not in found.stderr
    assert [line for line in found.stderr.splitlines() if "the store cannot be used" in line and "File too large" in line]
    left = [path for path in files(tape) if path.suffix == ".parquet"]
    assert all(path.read_bytes()[-4:] == b"PAR1" for path in left), left
    assert not (tape / "data").exists()
    assert simulated.run("verify", "--catalog", tape).returncode == 0
    again = simulated.run("run", spec, "--once", "--catalog", tape)
    assert again.returncode == 0, again.stdout
    whole(simulated, tape, ["binance", "bybit"])


def test_a_disk_that_fills_while_publishing_costs_nothing(simulated, tmp_path, whole):
    spec = simulated.spec("binance", "bybit", collect=COLLECT)
    tape = tmp_path / "tape"
    assert simulated.run("run", spec, "--once", "--catalog", tape).returncode == 0
    full = simulated.run("publish", "--catalog", tape, largest=FULL)
    assert full.returncode in (1, 3), full.stdout
    assert full.stderr.startswith("error: ")
    assert "Traceback" not in full.stderr
    assert all(path.read_bytes()[-4:] == b"PAR1" for path in files(tape / "data"))
    whole(simulated, tape, ["binance", "bybit"])
    assert simulated.run("publish", "--catalog", tape).returncode == 0
    whole(simulated, tape, ["binance", "bybit"])
    assert files(tape / "data")


def test_a_catalog_that_cannot_be_written_is_3_and_the_next_run_completes(simulated, tmp_path, whole):
    spec = simulated.spec("binance", collect=COLLECT)
    tape = tmp_path / "tape"
    tape.write_text("a file where a folder belongs")
    found = simulated.run("run", spec, "--once", "--catalog", tape)
    assert found.returncode == 3
    assert str(tape) in found.stderr
    tape.unlink()
    assert simulated.run("run", spec, "--once", "--catalog", tape).returncode == 0
    whole(simulated, tape, ["binance"])


@pytest.mark.parametrize("history", [(), ("--from", "1d")])
def test_what_a_full_disk_cannot_keep_is_printed_all_the_same_and_named(simulated, tmp_path, history):
    tape = tmp_path / "tape"
    asked = ("fetch-oi", "BTCUSDT-PERP", "-e", "binance", "-e", "bybit", *history, "--store", "--catalog", tape, "-f", "json")
    found = simulated.run(*asked, largest=200)
    assert found.returncode == 1, found.stderr
    rows = json.loads(found.stdout)
    assert {row["venue"] for row in rows} == {"binance", "bybit"}
    for venue in ("binance", "bybit"):
        count = sum(row["venue"] == venue for row in rows)
        assert [line for line in found.stderr.splitlines() if line.startswith(f"error: {venue}: {count} ") and "not stored" in line]
    assert simulated.run(*asked).returncode == 0
    assert Tape.open(str(tape)).read("open_interest").num_rows >= len(rows)


def test_a_run_that_stays_goes_on_over_a_full_disk_and_stores_everything_later(simulated, tmp_path, whole, stopping):
    spec = simulated.spec("binance", "bybit", collect="{openInterest: {backfill: 1d}, liquidations: {replicas: 1}}")
    simulated.control("POST", "rate", {"venue": "bybit", "contract": "BTCUSDT", "per_second": 5})
    tape = tmp_path / "tape"
    process = simulated.start("run", spec, "--catalog", tape, largest=NEARLY)
    said = drained(process)
    stopping.append(process)
    until(lambda: said().count("trying again") >= 2)
    assert process.poll() is None
    room_again(process)
    until(lambda: all(list((tape / f"perptape/segments/{venue}/open_interest").glob("*.parquet")) for venue in ("binance", "bybit")))
    until(
        lambda: sum(log.stat().st_size > NEARLY for log in (tape / "perptape/log").glob("*/records")) == 2
    )  # streams try every ten seconds
    os.set_blocking(process.stderr.fileno(), True)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    found = ended(process)
    assert time.monotonic() - began < 10
    assert found.returncode == 0, found.stdout
    whole(simulated, tape, ["binance", "bybit"], ["open_interest"])
    assert Tape.open(str(tape)).verify() == []


def test_two_runs_and_two_publishers_at_once_are_one_tape(simulated, tmp_path, whole):
    spec = simulated.spec("binance", "bybit", "okx", collect=COLLECT)
    other = simulated.spec("bybit", "okx", collect=COLLECT)
    tape = tmp_path / "tape"
    started = [simulated.start("run", one, "--once", "--catalog", tape) for one in (spec, other)]
    until(lambda: (tape / "perptape/store.json").exists())
    while any(run.poll() is None for run in started):
        for publisher in [simulated.start("publish", "--catalog", tape) for _ in range(2)]:
            assert ended(publisher).returncode == 0
    for run in started:
        assert ended(run).returncode == 0
    whole(simulated, tape, ["binance", "bybit", "okx"])
    for publisher in [simulated.start("publish", "--catalog", tape) for _ in range(2)]:
        found = ended(publisher)
        assert found.returncode == 0, found.stderr
    whole(simulated, tape, ["binance", "bybit", "okx"])
    keys = Tape.open(str(tape)).read("open_interest").select(["instrument_id", "period_minutes", "ts_event"])
    assert keys.group_by(keys.column_names).aggregate([]).num_rows == keys.num_rows


@pytest.fixture
def published(simulated, tmp_path):
    """A tape of one venue, published twice with something new in between."""
    spec = simulated.spec("binance", collect=COLLECT)
    tape = tmp_path / "tape"
    simulated.skew(binance=-3_600_000)
    for skew in (-3_600_000, 0):
        simulated.skew(binance=skew)
        assert simulated.run("run", spec, "--once", "--catalog", tape).returncode == 0
        assert simulated.run("publish", "--catalog", tape).returncode == 0
    for segment in files(tape / "perptape/segments"):
        segment.unlink()  # as an hour later
    return partial(simulated.run, "run", spec, "--once", "--catalog", tape), tape


def test_every_coverage_file_that_can_be_read_counts(simulated, whole, published):
    run, tape = published
    one, *others = files(tape / "perptape/coverage/binance/open_interest")
    assert others
    one.write_bytes(b"not parquet")
    whole(simulated, tape, ["binance"], unread=1)
    simulated.control("POST", "forget")
    assert run().returncode == 0
    asked = [call for call in simulated.data_requests("binance") if "openInterestHist" in call["path"]]
    assert len(asked) <= 1, "what the other files claim is not fetched again"


def test_without_any_coverage_it_is_rebuilt_from_rows_and_said_aloud(simulated, whole, published):
    run, tape = published
    for one in files(tape / "perptape/coverage/binance/open_interest"):
        one.write_bytes(b"not parquet")
    status = simulated.run("status", "--catalog", tape)
    assert status.returncode == 0, status.stderr
    assert "binance open_interest: no coverage could be read: rebuilt from rows" in status.stderr
    rebuilt = {row["dataset"]: row for row in json.loads(simulated.run("status", "--catalog", tape, "-f", "json").stdout)}
    assert rebuilt["open_interest"]["complete_ms"] > 23 * 3_600_000
    assert rebuilt["open_interest"]["trusted"] is False
    assert rebuilt["funding"]["trusted"] is True
    assert run().returncode == 0
    told = simulated.run("publish", "--catalog", tape)
    assert (told.returncode, "perptape/coverage/binance/open_interest/" in told.stderr) == (1, True), told.stderr
    rebuilt = {row["dataset"]: row for row in json.loads(simulated.run("status", "--catalog", tape, "-f", "json").stdout)}
    assert rebuilt["open_interest"]["trusted"] is True


def test_a_damaged_data_file_is_kept_aside_and_made_good(simulated, whole, published, tmp_path):
    run, tape = published
    damaged = files(tape / "data/custom_open_interest")[-1]
    bytes_of_it = damaged.read_bytes()[:-200]
    damaged.write_bytes(bytes_of_it)
    found = simulated.run("verify", "--catalog", tape)
    assert found.returncode == 1
    assert damaged.name in found.stdout
    simulated.skew(binance=300_000)  # a new slot touches the file
    assert run().returncode == 0
    assert simulated.run("publish", "--catalog", tape).returncode in (0, 1)
    assert bytes_of_it in [kept.read_bytes() for kept in files(tape / "perptape/quarantine")]
    again = run()
    assert again.returncode == 0
    assert simulated.run("publish", "--catalog", tape).returncode == 0
    whole(simulated, tape, ["binance"])
    assert simulated.run("verify", "--catalog", tape).returncode == 0
