"""Processes that stay, as a Deployment's pods run them: ready when they listen and can write, and telling the operator how they stand."""

import json
import signal
import time

import pytest

from perptape.store.tape import Tape
from perptape_api import names
from perptape_operator import report
from perptape_operator.report import Report
from support.simulator import ended

pytestmark = pytest.mark.slow


def told(pod) -> Report:
    """What the operator reads in its status."""
    found = report.read(pod.status(), pod.name, time.time_ns() // 1_000_000, report.LONGEST_STATUS)
    assert isinstance(found, Report), found
    return found


def test_a_streamer_is_ready_when_it_listens_to_all_and_could_write(pods):
    spec = pods.mount("{liquidations: {replicas: 2}}", "bybit")
    pods.simulated.fault(kind="mute", venue="bybit", path="tickers|orderbook|publicTrade")
    pod = pods.stays(spec, "bybit", "liquidations", **{names.ENV_BUDGET_FALLBACK: "0.5"})
    end = time.monotonic() + 60
    while "control topic" not in pod.ready():
        assert time.monotonic() < end, pod.ready()
        time.sleep(0.05)
    assert pod.get("/livez") == (200, "ok\n")
    assert told(pod).collected("bybit", "liquidations").ready is False
    pods.simulated.calm()
    pod.until_ready()
    pods.simulated.control("POST", "inject", {"venue": "bybit", "contract": "BTCUSDT", "count": 5})
    end = time.monotonic() + 20
    while (found := told(pod).collected("bybit", "liquidations")).rows < 5:
        assert time.monotonic() < end, found
        time.sleep(0.1)
    assert found.ready is True
    status, text = pod.get("/metrics")
    assert status == 200
    assert 'perptape_stream_connections{venue="bybit"} 1' in text.splitlines(), "in a cluster each replica is a pod"
    assert 'perptape_venue_budget_share_ratio{venue="bybit"} 0.5' in text.splitlines()
    pods.simulated.fault(kind="abort", venue="bybit")
    pods.simulated.fault(kind="no_ack", venue="bybit")
    end = time.monotonic() + 20
    while not pod.ready():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert "0 of 1 connections" in pod.ready()
    pods.simulated.calm()
    pod.process.send_signal(signal.SIGTERM)
    found = ended(pod.process, 20)
    assert found.returncode == 0, found.stderr
    left = json.loads((pods.folder / "pod-0.termination").read_text())
    assert (left["run"], left["exit"]) == ("pod-0", 0)


def test_a_streamer_whose_store_is_away_is_not_ready_and_says_so(pods, tmp_path):
    spec = pods.mount("{liquidations: {replicas: 1}}", "bybit")
    first = pods.stays(spec, "bybit", "liquidations")
    first.until_ready()
    temporary = tmp_path / "tape/perptape/tmp"
    assert told(first).store_error == ""
    first.process.send_signal(signal.SIGTERM)
    ended(first.process, 20)
    for left in temporary.iterdir():
        left.unlink()
    temporary.rmdir()
    temporary.write_text("in the way")
    second = pods.stays(spec, "bybit", "liquidations", "pod-1")
    end = time.monotonic() + 60
    while "the store cannot be written" not in second.ready():
        assert time.monotonic() < end, second.ready()
        assert second.process.poll() is None, second.process.communicate()
        time.sleep(0.05)
    found = told(second)
    assert found.store_error
    assert found.store_reason == "StoreUnusable"
    temporary.unlink()
    second.until_ready()
    assert told(second).store_error == ""


def test_a_resident_collector_is_ready_when_its_venue_is_reached(pods):
    spec = pods.mount("{openInterest: {every: 1m, backfill: 0d}}", "okx")
    pod = pods.stays(spec, "okx", "open_interest")
    pod.until_ready()
    end = time.monotonic() + 30
    while told(pod).collected("okx", "open_interest").rows < 2:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_pod_whose_venue_is_away_is_not_ready_and_its_line_says_why(pods):
    pods.simulated.fault(kind="status", status=503, venue="okx")
    spec = pods.mount("{openInterest: {every: 1m, backfill: 0d}}", "okx")
    pod = pods.stays(spec, "okx", "open_interest")
    end = time.monotonic() + 60
    while "HTTP 503" not in pod.ready():
        assert time.monotonic() < end, pod.ready()
        time.sleep(0.05)
    assert "HTTP 503" in told(pod).collected("okx", "open_interest").error


def test_a_pod_that_ends_does_not_end_what_its_spec_wants(pods, tmp_path):
    spec = pods.mount("{liquidations: {replicas: 2}}", "bybit")
    pod = pods.stays(spec, "bybit", "liquidations")
    pod.until_ready()
    pod.process.send_signal(signal.SIGTERM)
    assert ended(pod.process, 20).returncode == 0
    wants = Tape.open(str(tmp_path / "tape")).coverage("bybit", "liquidations").wants
    assert {want.spec for want in wants} == {"trading/test"}
    assert {want.ended for want in wants} == {None}


def test_a_pod_waits_for_the_spec_that_it_was_made_for_and_then_does_that(pods, tmp_path):
    old = pods.mount("{openInterest: {every: 1m, backfill: 0d}}", "okx", "BTCUSDT-PERP")
    before = old.read_text()
    new = pods.mount("{openInterest: {every: 1m, backfill: 0d}}", "okx", "ETHUSDT-PERP")
    after, environ = new.read_text(), pods.environ(new, "okx", "open_interest", "pod-0")
    old.write_text(before)
    pod = pods.stays(old, "okx", "open_interest", **environ)
    end = time.monotonic() + 30
    while pod.get("/livez")[0] != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert pod.ready() == "still starting"
    old.write_text(after)
    pod.until_ready()
    end = time.monotonic() + 30
    while told(pod).collected("okx", "open_interest").rows < 1:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert set(Tape.open(str(tmp_path / "tape")).read("open_interest")["instrument_id"].to_pylist()) == {"ETH-USDT-SWAP.OKX"}
