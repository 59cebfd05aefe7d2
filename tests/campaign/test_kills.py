"""Real SIGKILLs spread over a run's length: after one more run nothing is missing, and nothing is claimed that is not there."""

import signal
import time

import pytest

from perptape.collect.report import standings
from perptape.interval import MINUTE
from perptape.store.catalog import Tape
from support.completeness import whole
from support.simulator import simulator

pytestmark = pytest.mark.slow

KILLS = 20
VENUES = ("binance", "bybit", "hyperliquid")
HISTORIES = {"binance": "BTCUSDT", "bybit": "BTCUSDT"}
COLLECT = "{openInterest: {backfill: 2d}, funding: {backfill: 2d}}"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("kills"), "--unlimited") as found:
        yield found


@pytest.mark.timeout(600)
def test_a_run_killed_at_any_moment_is_completed_by_the_next(simulated, tmp_path):
    spec = simulated.spec(*VENUES, collect=COLLECT)
    began = time.monotonic()
    clean = simulated.run("run", spec, "--once", "--catalog", tmp_path / "clean")
    length = time.monotonic() - began
    assert clean.returncode == 0, clean.stderr
    whole(simulated, str(tmp_path / "clean"), HISTORIES)
    hit = 0
    for kill in range(KILLS):
        catalog = tmp_path / f"killed-{kill}"
        state = str(tmp_path / f"state-{kill}")  # what was asked before would be waited for: limits are the host's
        process = simulated.start("run", spec, "--once", "--catalog", catalog, PERPTAPE_STATE=state)
        try:
            process.wait(length * (kill + 0.5) / KILLS)
        except Exception:  # it is still running: that is what is wanted
            hit += 1
        process.send_signal(signal.SIGKILL)
        process.communicate()
        again = simulated.run("run", spec, "--once", "--catalog", catalog, PERPTAPE_STATE=state)
        assert again.returncode == 0, again.stderr
        whole(simulated, str(catalog), HISTORIES)
    assert hit >= KILLS * 3 // 4


def test_a_killed_streamer_keeps_what_it_read_a_second_before_and_records_the_rest_as_a_hole(simulated, tmp_path):
    spec = simulated.spec("bybit", "binance", symbols="BTCUSDT-PERP, ETHUSDT-PERP", collect="{liquidations: {replicas: 1}}")
    for venue in ("bybit", "binance"):
        simulated.control("POST", "rate", {"venue": venue, "contract": "BTCUSDT", "per_second": 20})
    catalog = tmp_path / "streamed"
    process = simulated.start("run", spec, "--catalog", catalog)
    end = time.monotonic() + 60
    while (
        time.monotonic() < end and sum(s["liquidations"] for s in simulated.control("GET", "truth", events=0) if s["closed"] is None) < 150
    ):
        time.sleep(0.1)
    killed_at = simulated.control("GET", "clock")["bybit"]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    sessions = [s for s in simulated.control("GET", "truth", venue="bybit") if s["subscriptions"]]
    sent = [e for s in sessions for push in s["sent"] if push["at"] < killed_at - 1_500 for e in push["liquidations"]]
    assert len(sent) > 20
    again = simulated.run("run", spec, "--catalog", catalog, "--deadline", "6s")
    assert again.returncode == 0, again.stderr
    tape = Tape.open(str(catalog))
    rows = tape.read("liquidations", ["BTCUSDT-LINEAR.BYBIT"])
    stamps = sorted(t // 1_000_000 for t in rows["ts_event"].to_pylist())
    wanted = sorted(e["time"] for e in sent if e["contract"] == "BTCUSDT")
    left = list(stamps)
    for stamp in wanted:
        assert stamp in left, f"an event of {stamp} was read {killed_at - stamp} ms before the kill and is not there"
        left.remove(stamp)
    (bybit,) = [s for s in standings(tape, killed_at + 10 * MINUTE, ["bybit"], ["liquidations"]) if s.instrument.startswith("BTC")]
    assert "process down" in {reason for _, reason in bybit.holes("lost")}
    assert tape.verify() == []
