"""A run that stays leaves cleanly when it is told to, with everything it received on disk; what it says can be read by machines."""

import json
import signal
import time

import pytest

from perptape.store.tape import Tape
from support.simulator import ended

pytestmark = pytest.mark.slow


def streamed(simulated):
    return [session for session in simulated.control("GET", "truth", events=0) if session["subscriptions"]]


def sent_and_missing(simulated, tape, told):
    """How many events of BTC Bybit sent until half a second before `told` (later ones may be under way), and those not read."""
    sessions = [one for one in simulated.control("GET", "truth", venue="bybit") if one["subscriptions"]]
    sent = [event for one in sessions for push in one["sent"] if push["at"] < told - 500 for event in push["liquidations"]]
    times = set(tape.read("liquidations", ["BTCUSDT-LINEAR.BYBIT"])["ts_event"].to_pylist())
    return len(sent), [event for event in sent if event["contract"] == "BTCUSDT" and event["time"] * 1_000_000 not in times]


def test_told_to_end_a_run_leaves_in_ten_seconds_with_everything_received_on_disk(simulated, tmp_path):
    collect = "{openInterest: {backfill: 1d}, funding: {backfill: 2d}, liquidations: {replicas: 2}}"
    spec = simulated.spec("binance", "bybit", "hyperliquid", symbols="BTCUSDT-PERP, ETHUSDT-PERP", collect=collect)
    simulated.control("POST", "rate", {"venue": "bybit", "contract": "BTCUSDT", "per_second": 20})
    tape, summary = tmp_path / "tape", tmp_path / "summary"
    process = simulated.start("run", spec, "--catalog", tape, PERPTAPE_LOG_FORMAT="json", PERPTAPE_TERMINATION_LOG=str(summary))
    end = time.monotonic() + 40
    while sum(session["liquidations"] for session in streamed(simulated) if session["venue"] == "bybit") < 150:
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    told, began = simulated.now("bybit"), time.monotonic()
    process.send_signal(signal.SIGTERM)
    found = ended(process, 30)
    assert time.monotonic() - began <= 10
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Traceback" not in found.stderr

    opened = Tape.open(str(tape))
    sent, missing = sent_and_missing(simulated, opened, told)
    assert sent > 100
    assert not missing, (len(missing), missing[:2])
    assert opened.read("open_interest").num_rows > 500
    assert opened.verify() == []
    assert not list((tape / "perptape/log").glob("*/*")), "the log became segments"

    text = summary.read_text()
    assert len(text.encode()) < 4000
    outcomes = {(one["venue"], one["dataset"]): one for one in json.loads(text)["collections"]}
    assert len(outcomes) == 9
    assert "no public" in outcomes["hyperliquid", "liquidations"]["unsupported"]
    lines = [json.loads(line) for line in found.stderr.splitlines()]
    collected = [line for line in lines if line.get("event") == "collected"]
    assert {line["venue"] for line in collected} == {"binance", "bybit", "hyperliquid"}
    assert all({"venue", "dataset", "rows", "outcome"} <= set(line) for line in collected)
    stored = [line for line in lines if line.get("event") == "segment written"]
    assert stored
    assert all({"venue", "dataset", "rows", "outcome"} <= set(line) for line in stored)


def hits(simulated):
    return {(one["kind"], one["venue"]): one["hits"] for one in simulated.control("GET", "faults")}


@pytest.mark.parametrize("streaming", [False, True], ids=["from the start", "while it streams"])
def test_told_to_end_a_run_leaves_in_ten_seconds_though_no_venue_answers_any_more(simulated, tmp_path, streaming):
    spec = simulated.spec("binance", "bybit", symbols="BTCUSDT-PERP", collect="{openInterest: {backfill: 1d}, liquidations: {}}")
    simulated.control("POST", "rate", {"venue": "bybit", "contract": "BTCUSDT", "per_second": 20})

    def silence():
        simulated.fault(kind="blackhole", venue="binance")
        simulated.fault(kind="blackhole", venue="bybit")
        simulated.fault(kind="half_open", venue="bybit")

    def heard():
        told = [session["liquidations"] for session in streamed(simulated) if session["venue"] == "bybit"]
        return sum(told) >= 120  # those of the last half second do not count

    def ignored():
        found = hits(simulated)
        return found["half_open", "bybit"] if streaming else found["blackhole", "binance"] and found["blackhole", "bybit"]

    def awaited(happened):
        while not happened():
            assert time.monotonic() < end
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)

    end = time.monotonic() + 60
    if not streaming:
        silence()
    process = simulated.start("run", spec, "--catalog", tmp_path / "tape", anew=not streaming)
    if streaming:
        awaited(heard)
        told = simulated.now("bybit")
        silence()
    awaited(ignored)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    found = ended(process, 30)
    assert time.monotonic() - began <= 10
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    if streaming:
        opened = Tape.open(str(tmp_path / "tape"))
        sent, missing = sent_and_missing(simulated, opened, told)
        assert sent > 30
        assert not missing, (len(missing), missing[:2])
        assert opened.verify() == []
        assert not list((tmp_path / "tape/perptape/log").glob("*/*")), "the log became segments"


def test_a_summary_of_much_that_failed_stays_below_four_thousand_bytes(simulated, tmp_path):
    symbols = ", ".join(f"{base}USDT-PERP" for base in ("BTC", "ETH", "SOL", "XRP", "DOGE", "LTC", "LUNA", "ADA", "TRX", "LINK"))
    simulated.fault(
        kind="status", status=400, path="openInterestHist|market/open-interest|open-interest-history|fundingRate|funding/history"
    )
    summary = tmp_path / "summary"
    spec = simulated.spec(symbols=symbols, collect="{openInterest: {backfill: 1d}, funding: {backfill: 2d}}")
    found = simulated.run(
        "run", spec, "--once", "--catalog", "tape", "--deadline", "20s", "-f", "json", PERPTAPE_TERMINATION_LOG=str(summary)
    )
    assert found.returncode == 1, found.stdout
    text = summary.read_text()
    assert 500 < len(text.encode()) < 4000
    assert json.loads(text) == json.loads(found.stdout)
    assert {one["venue"] for one in json.loads(text)["collections"]} == set(simulated.endpoints)
