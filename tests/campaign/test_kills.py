"""Real SIGKILLs spread over a run's length: after one more run nothing is missing, and nothing is claimed that is not there."""

import itertools
import signal
import subprocess
import time
from functools import partial

import pytest

from perptape.collect.report import standings
from perptape.interval import MINUTE
from perptape.store.tape import Tape
from support.completeness import whole
from support.simulator import ended, simulator

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
    attempts = itertools.count()

    def begun():
        name = f"{next(attempts)}"
        catalog, state = tmp_path / name, str(tmp_path / f"state-{name}")  # what was asked before would be waited for
        run = ("run", spec, "--once", "--catalog", catalog)
        return simulated.start(*run, PERPTAPE_STATE=state), partial(simulated.run, *run, PERPTAPE_STATE=state), catalog

    def undisturbed(process, catalog, began):
        """How long it took."""
        found = ended(process)
        length = time.monotonic() - began
        assert found.returncode == 0, found.stderr
        whole(simulated, str(catalog), HISTORIES)
        return length

    began = time.monotonic()
    process, _, catalog = begun()
    length = undisturbed(process, catalog, began)
    for kill in range(KILLS):
        while True:
            began = time.monotonic()
            process, again, catalog = begun()
            try:
                process.wait(length * (kill + 0.5) / KILLS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                if process.returncode == -signal.SIGKILL:
                    break
                length = time.monotonic() - began  # it ended in that very moment
            else:
                length = undisturbed(process, catalog, began)  # before it could be killed: so long does it take now
        found = again()
        assert found.returncode == 0, found.stderr
        whole(simulated, str(catalog), HISTORIES)


def left_alone(process, logs, seconds=3.0):
    """Waits until the machine let a streamer, its disk and this process go on for so long: what it read, it can have written then."""
    end = time.monotonic() + 60
    since = looked = time.monotonic()
    written = dict.fromkeys(logs, (0, looked))
    while looked - since < seconds:
        assert looked < end, "its logs are not written once a second"
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
        before, looked = looked, time.monotonic()
        for log, (last, _) in written.items():
            if (now := log.stat().st_mtime_ns) != last:
                written[log] = (now, looked)
        if looked - before > 0.3 or any(looked - at > 1 for _, at in written.values()):
            since = looked


def test_a_killed_streamer_keeps_what_it_read_a_second_before_and_records_the_rest_as_a_hole(simulated, tmp_path):
    spec = simulated.spec("bybit", "binance", symbols="BTCUSDT-PERP, ETHUSDT-PERP", collect="{liquidations: {replicas: 1}}")
    for venue in ("bybit", "binance"):
        simulated.control("POST", "rate", {"venue": venue, "contract": "BTCUSDT", "per_second": 20})
    catalog = tmp_path / "streamed"

    def heard(events):
        """Waits until sockets that are open now were sent so many."""
        end = time.monotonic() + 60
        while sum(one["liquidations"] for one in simulated.control("GET", "truth", events=0) if one["closed"] is None) < events:
            assert time.monotonic() < end, "too few were sent"
            time.sleep(0.1)

    process = simulated.start("run", spec, "--catalog", catalog)
    heard(150)
    logs = list(catalog.glob("perptape/log/*/records"))
    assert len(logs) == 2
    left_alone(process, logs)
    killed_at = simulated.control("GET", "clock")["bybit"]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    sessions = [s for s in simulated.control("GET", "truth", venue="bybit") if s["subscriptions"]]
    sent = [e for s in sessions for push in s["sent"] if push["at"] < killed_at - 1_500 for e in push["liquidations"]]
    assert len(sent) > 20
    while [one for one in simulated.control("GET", "truth", events=0) if one["closed"] is None]:
        time.sleep(0.1)  # the venues notice that it is gone
    again = simulated.start("run", spec, "--catalog", catalog)
    heard(150)
    again.terminate()
    found = ended(again)
    assert found.returncode == 0, found.stderr
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
