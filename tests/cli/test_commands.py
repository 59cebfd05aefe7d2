"""The commands against simulated venues: what is printed, what is stored, how they end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from perptape.claims import Claim
from perptape.interval import DAY
from perptape.store.tape import Tape
from support.slots import in_one_slot

pytestmark = pytest.mark.slow

Perptape = Callable[..., Any]
Environ = dict[str, str]
THREE = ("-e", "binance", "-e", "bybit", "-e", "hyperliquid")
SPEC = """
apiVersion: perptape.io/v1alpha1
kind: CollectionSpec
metadata: {name: small}
spec:
  venues: [{exchange: binance}, {exchange: hyperliquid}]
  symbols: {names: [BTCUSDT-PERP]}
  collect:
    openInterest: {every: 5m, backfill: 6h}
    funding: {every: 1h, backfill: 2d}
  store: {persistentVolumeClaim: {}}
"""


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An endpoint that takes every connection and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def refused() -> str:
    """An endpoint where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "small.yaml").write_text(SPEC)
    return "small.yaml"


@pytest.mark.usefixtures("warm")
def test_open_interest_now_has_contracts_base_and_usd_from_every_venue(perptape: Perptape, venues: Environ) -> None:
    started = time.monotonic()
    found = perptape("fetch-oi", "BTCUSDT-PERP", "-f", "json", environ=venues)
    assert time.monotonic() - started < 5
    assert found.code == 0, found.err
    assert [row["venue"] for row in found.rows] == ["binance", "bybit", "hyperliquid", "okx", "deribit"]
    assert all(row[unit] > 0 for row in found.rows for unit in ("oi_contracts", "oi_base", "oi_usd"))
    assert "hyperliquid has no BTCUSDT-PERP: showing BTC-USD-PERP.HYPERLIQUID instead" in found.err


def test_funding_now_says_when_it_is_settled(perptape: Perptape, venues: Environ) -> None:
    found = perptape("fetch-funding", "BTCUSDT-PERP", "ETHUSDT-PERP", *THREE, "-f", "json", environ=venues)
    assert found.code == 0, found.err
    assert len(found.rows) == 6
    assert all(row["next_funding"] > row["ts_event"] for row in found.rows)


def test_a_venue_that_refuses_is_named_and_the_others_are_printed(perptape: Perptape, venues: Environ, refused: str) -> None:
    found = perptape("fetch-oi", "BTCUSDT-PERP", *THREE, "-f", "json", "--endpoint", f"binance={refused}", environ=venues)
    assert found.code == 1
    assert [row["venue"] for row in found.rows] == ["bybit", "hyperliquid"]
    (line,) = [line for line in found.err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: binance: ")
    assert "try again" in line


@pytest.mark.usefixtures("warm")
def test_a_venue_that_is_silent_is_named_within_its_time(perptape: Perptape, venues: Environ, black_hole: str) -> None:
    started = time.monotonic()
    found = perptape(
        "fetch-oi", "BTCUSDT-PERP", *THREE, "-f", "json", "--timeout", "2", "--endpoint", f"bybit={black_hole}", environ=venues
    )
    assert time.monotonic() - started < 4
    assert found.code == 1
    assert [row["venue"] for row in found.rows] == ["binance", "hyperliquid"]
    assert f"error: bybit: no answer within 2 s from {black_hole}; try again, or give more time with --timeout" in found.err


def test_when_every_venue_fails_it_is_3(perptape: Perptape, venues: Environ, refused: str) -> None:
    found = perptape("fetch-funding", "BTCUSDT-PERP", "-e", "okx", "-f", "json", "--endpoint", f"okx={refused}", environ=venues)
    assert (found.code, found.rows) == (3, [])


def test_a_symbol_that_no_venue_knows_is_an_error_with_the_nearest_names(perptape: Perptape, venues: Environ) -> None:
    found = perptape("fetch-oi", "BTCUSD-PEPR", "BTCUSDT-PERP", "-e", "binance", "-f", "json", environ=venues)
    assert found.code == 2
    assert len(found.rows) == 1
    assert "error: binance has no BTCUSD-PEPR; nearest: BTCUSDT-PERP.BINANCE" in found.err


def test_a_delisted_symbol_is_reported_and_nothing_failed(perptape: Perptape, venues: Environ) -> None:
    found = perptape("fetch-oi", "LUNAUSDT-PERP", "-e", "binance", "-f", "json", environ=venues)
    assert (found.code, found.rows) == (0, [])
    assert "binance has delisted LUNAUSDT-PERP.BINANCE" in found.err


def test_history_is_what_lies_in_the_range_and_retention_is_said(perptape: Perptape, venues: Environ) -> None:
    found = perptape("fetch-oi", "BTCUSDT-PERP", "-e", "okx", "-e", "deribit", "--from", "4d", "--to", "70h", "-f", "json", environ=venues)
    assert found.code == 0, found.err
    times = [datetime.fromisoformat(str(row["ts_event"])) for row in found.rows]
    assert {after - before for before, after in pairwise(times)} == {timedelta(minutes=5)}
    assert timedelta(hours=1, minutes=40) < times[-1] - times[0] < timedelta(hours=2)
    assert "okx keeps 3 days: nothing before 20" in found.err
    assert "deribit serves no history of open interest" in found.err
    assert "deribit has no BTCUSDT-PERP" not in found.err, "nothing of it is collected"


def test_settled_rates_follow_each_other_at_the_interval_that_they_say(perptape: Perptape, venues: Environ) -> None:
    found = perptape("fetch-funding", "BTCUSDT-PERP", "-e", "bybit", "--from", "10d", "-f", "json", environ=venues)
    assert found.code == 0, found.err
    assert len(found.rows) in (29, 30)
    assert {row["interval"] for row in found.rows[1:]} == {480}


def test_what_was_stored_is_not_asked_for_again(perptape: Perptape, venues: Environ) -> None:
    span = ("--from", "2026-10-01", "--to", "2026-10-20")
    asked = ("fetch-funding", "BTCUSDT-PERP", "-e", "bybit", *span, "-f", "json", "--catalog", "tape")
    first = perptape(*asked, "--store", environ=venues)
    assert first.code == 0, first.err
    assert perptape("query", "funding", "BTCUSDT-PERP", *span, "-n", "0", "-f", "json", "--catalog", "tape").rows == first.rows
    again = perptape(*asked, "--store", environ=venues)
    assert again.rows == first.rows
    segments = list(Path("tape/perptape/segments/bybit/funding").glob("*.parquet"))
    assert len(segments) == 1


def test_a_coarser_history_is_printed_though_the_catalog_has_a_finer_one(perptape: Perptape, venues: Environ) -> None:
    day = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
    asked = ("fetch-oi", "BTCUSDT-PERP", "-e", "binance", "--from", day, "--to", day, "-f", "json", "--every")
    assert len(perptape(*asked, "5m", "--store", "--catalog", "tape", environ=venues).rows) == 288
    coarser = perptape(*asked, "1h", "--catalog", "tape", environ=venues)
    assert [row["period_minutes"] for row in coarser.rows] == [60] * 24


def test_where_no_row_came_and_that_is_kept_the_contract_is_kept_too(
    perptape: Perptape, endpoints: dict[str, str], venues: Environ, tmp_path: Path
) -> None:
    def control(method: str, body: object = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        urlopen(Request(f"{endpoints['binance']}/_control/faults", data, method=method), timeout=5).close()

    control("POST", {"kind": "list", "venue": "binance", "path": "openInterestHist"})
    try:
        found = perptape("fetch-oi", "BTCUSDT-PERP", "-e", "binance", "--from", "3h", "-f", "json", "--store", environ=venues)
    finally:
        control("DELETE")
    assert found.rows == []
    assert Tape.open(str(tmp_path / "tape")).coverage("binance", "open_interest").claims
    assert perptape("verify").code == 0


def test_an_explicit_question_asks_for_all_that_is_open_whenever_it_was_asked_last(perptape: Perptape, venues: Environ) -> None:
    day = (datetime.now(UTC) - timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    start, now = int(day.timestamp()) * 1000, int(time.time() * 1000)
    asked = ("-e", "binance", "--from", f"{day:%Y-%m-%d}", "--to", f"{day:%Y-%m-%d}", "--every", "1h", "--catalog", "tape", "-f", "json")
    assert perptape("fetch-oi", "ETHUSDT-PERP", *asked, "--store", environ=venues).code == 0
    said = Claim("BTCUSDT-PERP.BINANCE", "1h", "asked", start, start + DAY, "", now, now)
    Tape.open("tape").commit("binance", "open_interest", None, [said], (), "x", lambda: now)
    assert len(perptape("fetch-oi", "BTCUSDT-PERP", *asked, environ=venues).rows) == 24


def test_a_store_that_cannot_be_written_costs_no_printed_row(perptape: Perptape, venues: Environ, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = perptape("fetch-oi", "BTCUSDT-PERP", "-e", "binance", "--store", "--catalog", "file/tape", "-f", "json", environ=venues)
    assert found.code == 1, found.err
    assert len(found.rows) == 1
    assert "error: binance: 1 rows were printed but not stored: " in found.err


def test_a_run_fills_the_catalog_and_every_reader_sees_it(perptape: Perptape, venues: Environ, spec: str, tmp_path: Path) -> None:
    log = tmp_path / "termination"
    environ = {**venues, "PERPTAPE_TERMINATION_LOG": str(log), "PERPTAPE_LOG_LEVEL": "error"}
    ran = perptape("run", spec, "--once", "--format", "json", environ=environ)
    assert ran.code == 0, ran.err
    assert ran.err.splitlines()[-1].startswith("not published yet: `perptape publish --catalog ./tape` makes the data files that")
    summary = json.loads(ran.out)
    assert json.loads(log.read_text()) == summary
    assert {(one["venue"], one["dataset"]) for one in summary["collections"]} == {
        (venue, dataset) for venue in ("binance", "hyperliquid") for dataset in ("open_interest", "funding")
    }
    published = perptape("publish", "-f", "json")
    assert published.code == 0
    assert sum(int(row["files"]) for row in published.rows) > 0
    assert "nothing was left to fold" not in published.err
    again = perptape("publish")
    assert ("nothing was left to fold" in again.err, again.out) == (True, "")
    assert perptape("publish", "-f", "json").rows, "a program is told of everything"
    assert perptape("verify").code == 0
    _, status, gaps = in_one_slot(
        lambda: (
            perptape("run", spec, "--once", environ=environ),
            perptape("status", "-f", "json").rows,
            perptape("gaps", spec, "--fail", "-f", "json"),
        )
    )
    assert {row["grid"] for row in status} == {"5m", "settled", "sample/5m", "sample/1h"}
    assert all(row["open_ms"] == 0 for row in status)
    assert (gaps.code, [row for row in gaps.rows if row["kind"] == "open"]) == (0, [])
    settled = perptape("query", "funding", "BTCUSDT-PERP", "-e", "hyperliquid", "-n", "3", "-f", "json").rows
    assert [row["interval"] for row in settled] == [60, 60, 60]
    (example,) = re.findall('"(SELECT [^"]+)"', " ".join(perptape("sql", "--help").out.split()))
    assert len(perptape("sql", example, "-f", "json").rows) == 2
    count = perptape("sql", "SELECT count(*) AS n FROM open_interest", "-f", "json").rows
    assert int(str(count[0]["n"])) >= 70


def test_a_broken_store_is_said_by_every_reader_and_mended_by_the_command_that_they_name(
    perptape: Perptape, venues: Environ, spec: str, tmp_path: Path
) -> None:
    assert perptape("run", spec, "--once", "--exchange", "binance", environ=venues).code == 0
    assert perptape("publish").code == 0
    (broken, *_) = sorted((tmp_path / "tape/data/custom_open_interest").rglob("*.parquet"))
    broken.write_bytes(b"garbage")
    (tmp_path / "tape/perptape/coverage/binance/funding/20260101T000000000Z-x.0.parquet").write_bytes(b"garbage")
    asked = perptape("query", "oi", "BTCUSDT-PERP", "-e", "binance")
    assert (asked.code, "perptape verify --repair" in asked.err) == (3, True), asked.err
    for command in ("status", "gaps"):
        assert "20260101T000000000Z-x.0.parquet cannot be read" in perptape(command).err
    found = perptape("verify", "-f", "json")
    assert (found.code, {row["kind"] for row in found.rows}) == (1, {"unreadable", "coverage"})
    assert "`perptape verify --repair`" in found.err
    mended = perptape("verify", "--repair")
    assert (mended.code, broken.name in mended.err) == (0, True)
    assert perptape("verify").code == 0
    assert perptape("query", "oi", "BTCUSDT-PERP", "-e", "binance").code == 0
    assert "cannot be read" not in perptape("status").err


def test_of_a_store_of_which_nothing_can_be_read_nobody_says_that_nothing_is_missing(
    perptape: Perptape, venues: Environ, spec: str, tmp_path: Path
) -> None:
    assert perptape("run", spec, "--once", "--exchange", "binance", environ=venues).code == 0
    broken = sorted((tmp_path / "tape/perptape/segments").rglob("*.parquet"))
    for path in broken:
        path.write_bytes(b"garbage")
    shown = perptape("status")
    assert all(f"{path.name} cannot be read" in shown.err for path in broken if path.parent.name != "instruments")
    assert "nothing was asked for yet" not in shown.err
    assert perptape("gaps", "--fail").code == perptape("gaps", spec, "--fail").code == 1
    published = perptape("publish")
    assert all(f"{path.name} cannot be read" in published.err for path in broken)
    assert "a copy is in perptape/quarantine/binance/open_interest" in published.err


def test_what_a_segment_claimed_whose_rows_are_damaged_is_asked_for_again(
    perptape: Perptape, venues: Environ, spec: str, tmp_path: Path
) -> None:
    arguments = ("run", spec, "--once", "--format", "json", "--exchange", "binance", "--dataset", "open_interest")
    assert perptape(*arguments, environ=venues).code == 0
    broken = max((tmp_path / "tape/perptape/segments/binance/open_interest").iterdir(), key=lambda path: path.stat().st_size)
    data = broken.read_bytes()
    broken.write_bytes(data[:400] + bytes(255 - byte for byte in data[400:408]) + data[408:])
    (before,) = [row for row in perptape("status", "-f", "json").rows if row["dataset"] == "open_interest"]
    assert int(str(before["open_ms"])) > 0
    again = perptape(*arguments, environ=venues)
    (outcome,) = json.loads(again.out)["collections"]
    assert (again.code, outcome["rows"] > 0) == (0, True)
    (after,) = [row for row in perptape("status", "-f", "json").rows if row["dataset"] == "open_interest"]
    assert int(str(after["complete_ms"])) >= int(str(before["complete_ms"])) + int(str(before["open_ms"]))
    assert perptape("publish").code == 1
    assert perptape("query", "oi", "BTCUSDT-PERP", "-e", "binance").code == 0


def test_a_second_run_in_the_same_slot_asks_for_nothing(perptape: Perptape, venues: Environ, spec: str) -> None:
    arguments = ("run", spec, "--once", "--format", "json", "--exchange", "binance", "--dataset", "funding")
    first, again = in_one_slot(lambda: [perptape(*arguments, environ=venues) for _ in range(2)])
    assert first.code == 0
    (outcome,) = json.loads(again.out)["collections"]
    assert (again.code, outcome["rows"], outcome.get("calls", 0)) == (0, 0, 0)


def test_simulated_data_is_refused_where_real_data_is(perptape: Perptape, venues: Environ, spec: str, tmp_path: Path) -> None:
    (tmp_path / "tape/perptape").mkdir(parents=True)
    (tmp_path / "tape/perptape/store.json").write_text('{"version": 1, "format": "nautilus1", "origin": "live"}')
    found = perptape("run", spec, "--once", environ=venues)
    assert found.code == 2
    assert "holds data of origin live, this run's is simulated:1" in found.err
    assert [path.name for path in (tmp_path / "tape").rglob("*") if path.is_file()] == ["store.json"]


def test_real_exchanges_are_not_asked_for_a_tape_of_simulated_data(perptape: Perptape, spec: str, tmp_path: Path) -> None:
    (tmp_path / "tape/perptape").mkdir(parents=True)
    (tmp_path / "tape/perptape/store.json").write_text('{"version": 1, "format": "nautilus1", "origin": "simulated:1"}')
    found = perptape("run", spec, "--once", "--live", "--catalog", "tape")
    assert found.code == 2
    assert "holds data of origin simulated:1, this run's is live" in found.err
    assert "cannot list instruments" not in found.err


def test_a_run_whose_store_is_unusable_ends_with_3(perptape: Perptape, venues: Environ, spec: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert perptape("run", spec, "--once", "--catalog", "file/tape", environ=venues).code == 3


def test_a_suspended_collection_collects_nothing(perptape: Perptape, venues: Environ, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SPEC + "  suspend: true\n")
    found = perptape("run", "a.yaml", "--once", environ=venues)
    assert found.code == 0
    assert "spec.suspend is true" in found.err
    assert not (tmp_path / "tape").exists()


def injected(endpoints: dict[str, str]) -> float:
    """Bybit liquidates somebody's BTCUSDT: how many coins."""
    told = json.dumps({"venue": "bybit", "contract": "BTCUSDT", "count": 1}).encode()
    with urlopen(Request(f"{endpoints['bybit']}/_control/inject", told), timeout=5) as answer:
        (event,) = json.load(answer)
    return float(event["base"])


def test_liquidations_are_printed_as_they_happen(endpoints: dict[str, str], venues: Environ) -> None:
    command = [sys.executable, "-m", "perptape", "stream-liquidations", "BTCUSDT-PERP", "-e", "bybit", "-f", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **venues}, text=True) as stream:
        assert stream.stdout is not None
        assert stream.stderr is not None
        assert stream.stderr.readline() == "bybit: listening\n"
        base = injected(endpoints)
        sent = time.monotonic()
        event = json.loads(stream.stdout.readline())
        while event["quantity"] != base:
            event = json.loads(stream.stdout.readline())
        assert time.monotonic() - sent < 2
        assert (event["venue"], event["side"], event["position_side"]) == ("bybit", "SELL", "LONG")
        stream.send_signal(signal.SIGINT)
        assert stream.wait(10) == 0


@pytest.mark.slow
def test_a_venue_that_never_takes_the_subscription_has_failed(perptape: Perptape, endpoints: dict[str, str], venues: Environ) -> None:
    def control(method: str, body: object = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        urlopen(Request(f"{endpoints['okx']}/_control/faults", data, method=method), timeout=5).close()

    asked = ("stream-liquidations", "BTCUSDT-PERP", "--for", "5s", "-e", "okx")
    control("POST", {"kind": "status", "status": 503, "venue": "okx", "path": "/ws/"})
    try:
        alone, beside = (perptape(*asked, *more, environ=venues) for more in ((), ("-e", "bybit")))
    finally:
        control("DELETE")
    assert (alone.code, beside.code) == (3, 1), alone.err
    assert "dialling again" in alone.err
    assert "--timeout" not in alone.err
    assert perptape(*asked, environ=venues).code == 0


@pytest.mark.parametrize("form", ["table", "csv"])
@pytest.mark.parametrize("kept", [False, True])
def test_events_that_find_a_full_disk_as_output_are_a_failure_and_what_is_kept_goes_on(
    perptape: Perptape, endpoints: dict[str, str], venues: Environ, tmp_path: Path, kept: bool, form: str
) -> None:
    tape, err, after = str(tmp_path / "tape"), tmp_path / "err", list[float]()
    store = ["--store", "--catalog", tape] if kept else []
    command = [sys.executable, "-m", "perptape", "stream-liquidations", "BTCUSDT-PERP", "-e", "bybit", "--for", "20s", "-f", form, *store]
    with Path("/dev/full").open("w") as full, err.open("w") as said, subprocess.Popen(
        command, stdout=full, stderr=said, env={**os.environ, **venues}
    ) as stream:  # fmt: skip
        while stream.poll() is None:
            failed = "disk is full" in err.read_text()
            event = injected(endpoints)
            after += [event] if failed else []
            time.sleep(0.2)
    assert err.read_text().count("the output cannot be written: the disk is full") == 1, err.read_text()
    assert stream.returncode == (1 if kept else 3)
    if kept:
        assert "what comes is kept" in err.read_text()
        rows = perptape("query", "liquidations", "BTCUSDT-PERP", "-e", "bybit", "--catalog", tape, "-f", "json").rows
        assert len(after) > 20
        assert {float(str(row["quantity"])) for row in rows} >= set(after[15:-20]), "what came when nothing was shown any more"


@pytest.mark.parametrize("kept", [False, True])
def test_a_reader_that_leaves_ends_what_is_only_shown_and_not_what_is_kept(
    perptape: Perptape, endpoints: dict[str, str], venues: Environ, tmp_path: Path, kept: bool
) -> None:
    tape, err, after, began = str(tmp_path / "tape"), tmp_path / "err", list[float](), time.monotonic()
    store = ["--store", "--catalog", tape] if kept else []
    command = [sys.executable, "-m", "perptape", "stream-liquidations", "BTCUSDT-PERP", "-e", "bybit", "--for", "20s", *store]
    with err.open("w") as said, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=said, env={**os.environ, **venues}
    ) as stream:  # fmt: skip
        assert stream.stdout is not None
        while stream.poll() is None:
            event = injected(endpoints)
            after += [event] if stream.stdout.closed else []
            if not stream.stdout.closed and stream.stdout.readline():
                stream.stdout.close()
            time.sleep(0.2)
    assert stream.returncode == 0, err.read_text()
    assert (time.monotonic() - began >= 20) == kept, err.read_text()
    assert err.read_text().count("has left: nothing more is shown; what comes is kept") == kept
    if kept:
        rows = perptape("query", "liquidations", "BTCUSDT-PERP", "-e", "bybit", "--catalog", tape, "-f", "json").rows
        assert len(after) > 20
        assert {float(str(row["quantity"])) for row in rows} >= set(after[:-20]), "what came when nobody read any more"


def test_a_venue_without_a_feed_is_nothing_that_failed(perptape: Perptape) -> None:
    found = perptape("stream-liquidations", "BTCUSDT-PERP", "-e", "hyperliquid")
    assert (found.code, found.out) == (0, "")
    assert "no public feed" in found.err


def test_instruments_are_listed_with_and_without_the_delisted(perptape: Perptape, venues: Environ) -> None:
    assert perptape("symbols", "luna", "-e", "binance", "-f", "json", environ=venues).rows == []
    (luna,) = perptape("symbols", "luna", "-e", "binance", "--delisted", "-f", "json", environ=venues).rows
    assert str(luna["delisted"]).startswith("2024-06-01")


def test_the_doctor_looks_at_everything_and_names_what_fails(perptape: Perptape, venues: Environ, refused: str) -> None:
    found = perptape("doctor", "-f", "json", "--endpoint", f"okx={refused}", environ=venues)
    grades = {row["check"]: row["grade"] for row in found.rows}
    assert found.code == 1
    assert [name for name, grade in grades.items() if grade == "failed"] == ["okx"]
    assert {"python", "ccxt", "store", "binance", "deribit"} <= set(grades)


def test_the_doctor_tells_of_a_tape_of_another_origin(perptape: Perptape, venues: Environ, tmp_path: Path) -> None:
    asked = ("doctor", "-e", "binance", "-e", "okx", "-f", "json")
    fresh = perptape(*asked, environ=venues)
    assert fresh.code == 0, fresh.out
    assert [row["found"] for row in fresh.rows if row["check"] == "origin"] == ["the venues are simulated:1"]
    (tmp_path / "tape/perptape").mkdir(parents=True, exist_ok=True)
    (tmp_path / "tape/perptape/store.json").write_text('{"version": 1, "format": "nautilus1", "origin": "live"}')
    found = perptape(*asked, environ=venues)
    assert found.code == 2
    (told,) = [row for row in found.rows if row["grade"] == "failed"]
    assert told["check"] == "origin"
    assert str(told["found"]).startswith("the tape holds data of origin live, the venues are simulated:1: ")


def test_endpoints_are_printed_for_a_shell() -> None:
    command = [sys.executable, "-m", "perptape", "simulate", "-e", "binance", "-e", "okx", "--port", "0", "--print-env"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(2)]
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0
    assert lines[0].startswith("export PERPTAPE_BINANCE_ENDPOINT=http://127.0.0.1:")
    assert lines[1].startswith("export PERPTAPE_OKX_ENDPOINT=http://127.0.0.1:")


@pytest.mark.parametrize("seed", [(), ("0",)])
def test_a_campaign_says_each_fault_when_it_begins(seed: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "perptape", "simulate", "-e", "deribit", "--port", "0", "--campaign", *seed, "--storm", "10s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(4)]
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0
    assert lines[2:] == [
        "0:00:00 deribit: latency: answers come late for 6.0 s\n",
        "0:00:00 deribit: silent topic: the topic of liquidations is silent, others flow for 0.3 s\n",
    ]


@pytest.mark.parametrize(("more", "code"), [((), 0), (("--once",), 1)])
def test_a_run_that_is_stopped_while_it_starts_ends_cleanly(tmp_path: Path, more: tuple[str, ...], code: int) -> None:
    file = tmp_path / "pipe.yaml"
    os.mkfifo(file)
    command = [sys.executable, "-m", "perptape", "run", str(file), *more]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run, file.open("w"):  # once opened it is being read
        run.send_signal(signal.SIGTERM)
        told = run.communicate(timeout=30)[1]
    assert (run.returncode, told) == (code, "stopped before anything was asked: the next run goes on\n")


@pytest.mark.slow
def test_a_daemon_prints_its_spec_and_leaves_cleanly_when_told(venues: Environ, tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    command = [sys.executable, "-m", "perptape", "daemon", "start", "-e", "binance", "-s", "BTCUSDT-PERP", "--catalog", str(tape)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **venues}, text=True) as daemon:
        assert daemon.stdout is not None
        spec = [line for _ in range(8) if (line := daemon.stdout.readline())]
        assert spec[0] == "apiVersion: perptape.io/v1alpha1\n"
        until = time.monotonic() + 30
        while not any(path.stat().st_size > 500 for path in tape.glob("perptape/log/*/*")):
            assert time.monotonic() < until, "nothing reached the log"
            time.sleep(0.05)
        told = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        rest = daemon.communicate(timeout=15)[0]
        assert time.monotonic() - told < 10
        assert daemon.returncode == 0
    assert "binance liquidations: " in rest
    assert list(tape.glob("perptape/segments/binance/liquidations/*.parquet"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fetch-oi", "BTCUSDT-PERP", "--every", "1h"), "--every goes with --from"),
        (("fetch-oi", "BTCUSDT-PERP", "--from", "2h", "--every", "90s"), "whole minutes, as in 5m or 1h"),
        (("fetch-oi", "BTCUSDT-PERP", "--timeout", "inf"), "--timeout"),
        (("query", "funding", "BTCUSDT-PERP", "--every", "5m"), "--every goes with oi"),
        (("query", "oi", "BTCUSDT-PERP", "--every", "30s"), "whole minutes, as in 5m or 1h"),
        (("query", "oi", "BTCUSDT-PERP", "--to", "999999d"), "is not before --to 1970-01-01"),
        (("query", "oi", "BTCUSDT-PERP", "--to", "0001-01-01T00:00+14:00"), "is not before --to 1970-01-01"),
        (("stream-liquidations", "BTCUSDT-PERP", "--catalog", "tape"), "--catalog without --store"),
        (("status", "-e", ","), "the exchange is empty"),
        (("status", "--catalog", ""), "--catalog is empty"),
        (
            ("simulate", "--port", "0", "-e", "okx", "--ready-file", "nowhere/ready.json"),
            "--ready-file nowhere/ready.json cannot be written",
        ),
        (("simulate", "--port", "0", "--campaign", "--storm", "1s"), "--storm 1s is too short: 10s at least"),
        (("simulate", "--port", "0", "--campaign", "--storm", "soon"), "--storm"),
        (("simulate", "--port", "0", "--campaign", "-1"), "--campaign"),
        (("simulate", "--port", "0", "--campaign", "red"), "--campaign"),
        (("simulate", "--port", "0", "--storm", "10s"), "--storm goes with --campaign"),
    ],
)
def test_what_would_do_nothing_or_cannot_be_is_refused_in_a_line(perptape: Perptape, words: tuple[str, ...], said: str) -> None:
    found = perptape(*words)
    assert (found.code, said in found.err, len(found.err.splitlines())) == (2, True, 1), found.err


def test_a_history_that_nobody_gives_ends_in_the_time_that_was_given(perptape: Perptape, black_hole: str) -> None:
    began = time.monotonic()
    found = perptape("fetch-oi", "BTCUSDT-PERP", "-e", "okx", "--endpoint", f"okx={black_hole}", "--from", "2h", "--timeout", "1")
    assert found.code == 3, found.err
    assert time.monotonic() - began < 10


def test_venues_of_two_markets_leave_no_store_behind(perptape: Perptape, venues: Environ, tmp_path: Path) -> None:
    ready = tmp_path / "other.json"
    command = [sys.executable, "-m", "perptape", "simulate", "--port", "0", "--seed", "2", "-e", "bybit", "--ready-file", str(ready)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ)) as other:
        assert other.stdout is not None
        while b"serving" not in other.stdout.readline():
            assert other.poll() is None
        while not ready.exists():
            time.sleep(0.01)
        asked = ("BTCUSDT-PERP", "-e", "okx", "-e", "bybit", "--endpoint", f"bybit={json.loads(ready.read_text())['bybit']}", "--store")
        for more in (("fetch-oi", *asked, "--from", "2h"), ("fetch-oi", *asked)):
            found = perptape(*more, environ=venues)
            assert (found.code, "cannot share a catalog" in found.err) == (2, True), found.err
            assert not (tmp_path / "tape").exists()
        other.terminate()


def test_sql_shows_every_column_and_every_time(perptape: Perptape, venues: Environ) -> None:
    assert perptape("fetch-oi", "BTCUSDT-PERP", "-e", "okx", "--store", environ=venues).code == 0
    found = perptape("sql", "SELECT 1 AS a, 2 AS a, 3 AS a, TIMESTAMP '9999-01-01' AS t", "-f", "json")
    assert found.rows == [{"a": 1, "a:1": 2, "a:2": 3, "t": "9999-01-01 00:00:00.000000"}]
