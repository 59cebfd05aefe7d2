"""Sockets that die without a word, over CCXT's clients: noticed within a minute of the venue's time, dialled again, the time recorded."""

import signal
import time

import pytest

from perptape.claims import STREAM
from perptape.interval import SECOND
from perptape.store.tape import Tape
from support.simulator import ended

pytestmark = pytest.mark.slow

VENUES = {"binance": "BTCUSDT", "bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP", "deribit": "BTC-PERPETUAL"}
IDS = {"binance": "BTCUSDT-PERP.BINANCE", "bybit": "BTCUSDT-LINEAR.BYBIT", "okx": "BTC-USDT-SWAP.OKX", "deribit": "BTC-PERPETUAL.DERIBIT"}


def sessions(simulated, venue):
    return [one for one in simulated.control("GET", "truth", venue=venue, events=0) if one["subscriptions"]]


def test_a_socket_that_says_nothing_any_more_is_dialled_again_within_a_minute_and_its_time_is_a_hole(simulated, tmp_path):
    spec = simulated.spec(*VENUES, symbols="BTCUSDT-PERP", collect="{liquidations: {replicas: 1}}")
    for venue, contract in VENUES.items():
        simulated.control("POST", "rate", {"venue": venue, "contract": contract, "per_second": 10})
    process = simulated.start("run", spec, "--catalog", tmp_path / "tape")

    def awaited(happened, seconds):
        end = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < end, {venue: [one["pushes"] for one in sessions(simulated, venue)] for venue in VENUES}
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)

    awaited(lambda: all(sum(one["pushes"] for one in sessions(simulated, venue)) >= 5 for venue in VENUES), 90)
    before = {venue: len(sessions(simulated, venue)) for venue in VENUES}
    for venue in VENUES:
        simulated.fault(kind="half_open", venue=venue)
    silent = {venue: simulated.now(venue) for venue in VENUES}
    time.sleep(3)
    simulated.calm()
    awaited(lambda: all(len(sessions(simulated, venue)) > before[venue] for venue in VENUES), 60)
    opened = {venue: sessions(simulated, venue)[before[venue]]["opened"] for venue in VENUES}
    for venue in VENUES:
        assert opened[venue] - silent[venue] < 60 * SECOND
    awaited(lambda: all(sessions(simulated, venue)[-1]["pushes"] >= 5 for venue in VENUES), 60)
    process.send_signal(signal.SIGTERM)
    assert ended(process, 30).returncode == 0
    for venue, name in IDS.items():
        known = Tape.open(str(tmp_path / "tape")).coverage(venue, "liquidations")
        holes = [one for one in known.of_grid(name, STREAM) if one.kind == "hole" and one.end > silent[venue]]
        assert [one.cause for one in holes] == ["disconnected"], venue
        assert silent[venue] - 5 * SECOND <= holes[0].start <= silent[venue] + 4 * SECOND
        unsure = SECOND // 2  # a clock is known to half the time that an answer took
        assert opened[venue] - unsure <= holes[0].end <= opened[venue] + 10 * SECOND
