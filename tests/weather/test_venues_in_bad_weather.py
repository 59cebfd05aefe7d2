"""Venues that fail, lie and slow down: each alone, never with the others, and the next run has everything."""

import json
import re
import select
import time
from functools import partial

import pytest

from perptape.store.tape import Tape
from support.heldup import waited
from support.simulator import ended

pytestmark = pytest.mark.slow

BOTH = "{openInterest: {backfill: 1d}, funding: {backfill: 12d}}"
THREE = ("-e", "binance", "-e", "bybit", "-e", "hyperliquid")
HISTORY = {
    "binance": "openInterestHist|fundingRate",
    "bybit": "market/open-interest|funding/history",
    "okx": "open-interest-history|funding-rate-history",
    "hyperliquid": "info",  # one path for everything
    "deribit": "get_funding_rate_history",
}
LISTING = {
    *("/fapi/v1/exchangeInfo", "/fapi/v1/fundingInfo", "/fapi/v1/time"),
    *("/v5/market/instruments-info", "/v5/market/time"),
    *("/api/v5/public/instruments", "/api/v5/public/time", "/api/v5/public/funding-rate"),  # whose list says the intervals
    *("/api/v2/public/get_instruments", "/api/v2/public/get_time"),
    "/info",
}
"""What lists of instruments and clocks are asked for."""
REFUSED = "http://127.0.0.1:9"


def printed(process, venues):
    """(seconds until something stood there, what the process left behind). The time in which a process that was ready to go on had no CPU
    is not counted, neither its own nor the simulated venues': that is the machine's, and what else it does."""
    began, held_up, before = time.monotonic(), 0.0, waited(venues)
    while not select.select([process.stdout], [], [], 0.02)[0]:
        held_up = max(held_up, waited(process.pid))
        assert time.monotonic() - began < 120
    return time.monotonic() - began - held_up - (waited(venues) - before), ended(process)


@pytest.mark.parametrize("failure", ["none", "refused", "blackhole"])
def test_open_interest_now_within_five_seconds_whoever_is_down(simulated, failure):
    more = {"PERPTAPE_BYBIT_ENDPOINT": REFUSED} if failure == "refused" else {}
    if failure == "blackhole":
        simulated.fault(kind="blackhole", venue="bybit")
    process = simulated.start("fetch-oi", "BTCUSDT-PERP", *THREE, "-f", "json", anew=True, **more)
    took, found = printed(process, simulated.process.pid)
    rows = json.loads(found.stdout)
    assert took <= 5.5, "the five seconds, and the start of a process on a slow machine"
    assert all(row["oi_contracts"] and row["oi_base"] and row["oi_usd"] for row in rows)
    if failure == "none":
        assert (found.returncode, [row["venue"] for row in rows]) == (0, ["binance", "bybit", "hyperliquid"])
    else:
        assert (found.returncode, [row["venue"] for row in rows]) == (1, ["binance", "hyperliquid"])
        assert "error: bybit: " in found.stderr


@pytest.mark.parametrize("kind", ["maintenance", "html", "list", "empty", "cut", "reset"])
def test_a_venue_that_answers_nonsense_is_named_and_the_others_are_printed(simulated, kind):
    simulated.fault(kind=kind, venue="bybit")
    found = simulated.run("fetch-oi", "BTCUSDT-PERP", *THREE, "-f", "json")
    assert (found.returncode, [row["venue"] for row in json.loads(found.stdout)]) == (1, ["binance", "hyperliquid"])
    assert len([line for line in found.stderr.splitlines() if line.startswith("error: bybit: ")]) == 1
    assert "Traceback" not in found.stderr


def test_one_bad_answer_of_each_kind_costs_a_run_nothing(simulated, whole):
    for venue, kinds in {
        "binance": ("html", "reset"),
        "bybit": ("list", "status"),
        "okx": ("cut", "empty"),
        "hyperliquid": ("empty", "list"),
        "deribit": ("status", "html"),
    }.items():
        for after, kind in enumerate(kinds):
            simulated.fault(kind=kind, venue=venue, path=HISTORY[venue], count=1, after=after, status=502)
    found = simulated.run("run", simulated.spec(collect=BOTH), "--once", "--catalog", "tape")
    assert found.returncode == 0, found.stdout + found.stderr
    assert {fault["venue"] for fault in simulated.control("GET", "faults") if fault["hits"]} == set(simulated.endpoints)
    whole(simulated, simulated.folder / "tape", simulated.endpoints)


def test_rows_that_cannot_be_true_are_dropped_told_and_made_good_by_the_next_run(simulated, whole):
    damage = {"binance": "nan", "bybit": "negative", "okx": "missing", "hyperliquid": "missing", "deribit": "nan"}
    for venue, kind in damage.items():
        path = "open-interest" if kind == "negative" else HISTORY[venue]  # rates may well be negative
        simulated.fault(kind=kind, venue=venue, path=path)
    spec = simulated.spec(collect=BOTH)
    first = simulated.run("run", spec, "--once", "--catalog", "tape")
    for venue in damage:
        assert re.search(rf"^{venue} \w+: .*, \d dropped; missing: \d open, ", first.stdout, re.MULTILINE), first.stdout
        assert f"venue={venue}" in "".join(line for line in first.stderr.splitlines() if "dropped: " in line)
    assert first.returncode == 1, "a later run may obtain what is open"
    tape = Tape.open(str(simulated.folder / "tape"))
    assert min(tape.read("open_interest")["oi_base"].to_pylist()) > 0
    gaps = simulated.run("gaps", "--catalog", "tape", "-f", "json")
    holes = {(hole["venue"], hole["dataset"]) for hole in json.loads(gaps.stdout) if hole["kind"] == "open"}
    assert holes >= {("binance", "open_interest"), ("bybit", "open_interest"), ("okx", "open_interest"), ("deribit", "funding")}
    simulated.calm()
    again = simulated.run("run", spec, "--once", "--catalog", "tape")
    assert again.returncode == 0, again.stdout
    whole(simulated, simulated.folder / "tape", simulated.endpoints)


def test_pages_with_rows_twice_and_out_of_order_are_the_truth_all_the_same(simulated, whole):
    for venue in simulated.endpoints:
        simulated.fault(kind="duplicate", venue=venue, path=HISTORY[venue])
        if venue != "hyperliquid":  # whose first list is a pair
            simulated.fault(kind="unsorted", venue=venue, path=HISTORY[venue])
    found = simulated.run("run", simulated.spec(collect=BOTH), "--once", "--catalog", "tape")
    assert found.returncode == 0, found.stdout
    whole(simulated, simulated.folder / "tape", simulated.endpoints)


def test_a_venue_that_ignores_where_to_start_is_not_believed_and_the_next_run_has_the_rest(simulated, whole, between):
    spec = simulated.spec("binance", collect="{openInterest: {backfill: 5d}, funding: {backfill: 12d}}")
    run = partial(simulated.run, "run", spec, "--once", "--catalog", "tape")
    with between(simulated.endpoints["binance"], parameters=("startTime", "endTime")) as liar:
        lied = run(PERPTAPE_BINANCE_ENDPOINT=liar.endpoint)
    assert lied.returncode == 1, lied.stdout
    assert "answered another" in lied.stdout
    assert run().returncode == 0
    whole(simulated, simulated.folder / "tape", ["binance"])


def test_too_many_requests_are_followed_by_the_pause_that_was_asked_for(simulated, whole):
    simulated.fault(kind="status", venue="binance", status=429, retry_after=2, count=1, path="openInterestHist")
    simulated.fault(kind="status", venue="okx", status=429, count=1, path="open-interest-history")
    found = simulated.run("run", simulated.spec("binance", "okx"), "--once", "--catalog", "tape")
    assert found.returncode == 0, found.stdout
    asked = simulated.data_requests("binance")
    (refused,) = [number for number, request in enumerate(asked) if request["status"] == 429]
    after = [request["at_mono"] - asked[refused]["at_mono"] for request in asked[refused + 1 :]]
    assert after[-1] >= 2
    assert not [seconds for seconds in after if 0.1 < seconds < 1.98], "what was under way may still arrive; nothing else is sent"
    whole(simulated, simulated.folder / "tape", ["binance", "okx"], ["open_interest"])


def test_a_ban_ends_its_venue_at_once_names_its_end_and_no_call_follows(simulated, whole):
    spec = simulated.spec("binance", "bybit", collect=BOTH)
    history = "openInterestHist|fundingRate"
    simulated.fault(kind="latency", venue="binance", delay_ms=1_500, path=history)  # what is sent beside the first comes before its answer
    simulated.fault(kind="status", venue="binance", status=418, retry_after=3600, path=history)
    began = time.monotonic()
    found = simulated.run("run", spec, "--once", "--catalog", "tape", "--deadline", "80s")
    assert time.monotonic() - began < 40, "half its time"
    assert found.returncode == 1
    assert re.search(r"^  binance: no call before \d{4}-\d\d-\d\dT.*past this run's deadline", found.stdout, re.MULTILINE)
    assert re.search(r"^bybit funding: [1-9]\d* rows", found.stdout, re.MULTILINE)
    asked = simulated.data_requests("binance")
    first = next(request for request in asked if request["status"] == 418)
    assert not [request for request in asked if request["at_mono"] > first["done_mono"] + 0.1]
    banned = simulated.run("fetch-oi", "BTCUSDT-PERP", "-e", "binance", "--from", "1d", "--catalog", "other")
    assert banned.returncode == 3
    assert banned.stderr.count("binance: no call before") == 1
    simulated.calm()
    before = len(simulated.data_requests("binance"))
    assert simulated.run("run", spec, "--once", "--catalog", "tape", "--deadline", "20s").returncode == 1
    assert len(simulated.data_requests("binance")) == before, "every process of this host keeps to a ban that one was told"
    elsewhere = str(simulated.folder / "another-host")
    assert simulated.run("run", spec, "--once", "--catalog", "tape", PERPTAPE_STATE=elsewhere).returncode == 0
    whole(simulated, simulated.folder / "tape", ["binance", "bybit"])


def test_a_ban_is_told_with_its_length_where_a_current_value_was_asked_for(simulated):
    simulated.fault(kind="status", venue="binance", status=418, retry_after=3600)
    found = simulated.run("fetch-oi", "BTCUSDT-PERP", *THREE)
    assert found.returncode == 1
    assert re.search(r"^error: binance: HTTP 418: .*; ask again in 1h, not before$", found.stderr, re.MULTILINE), found.stderr


def test_maintenance_outlasting_the_deadline_is_named_and_the_next_run_has_everything(simulated, whole):
    spec = simulated.spec("okx", "bybit")
    simulated.fault(kind="maintenance", venue="okx", path="open-interest-history")
    found = simulated.run("run", spec, "--once", "--catalog", "tape", "--deadline", "20s")
    assert found.returncode == 1
    assert re.search(r"^  okx: no call before .*50001", found.stdout, re.MULTILINE), found.stdout
    assert "bybit open_interest: 28" in found.stdout
    simulated.calm()
    assert simulated.run("run", spec, "--once", "--catalog", "tape").returncode == 0
    whole(simulated, simulated.folder / "tape", ["okx", "bybit"], ["open_interest"])


def test_all_venues_down_is_3_and_leaves_nothing_wrong(simulated, whole):
    spec = simulated.spec("binance", "bybit")
    down = {"PERPTAPE_BINANCE_ENDPOINT": REFUSED, "PERPTAPE_BYBIT_ENDPOINT": REFUSED}
    found = simulated.run("run", spec, "--once", "--catalog", "tape", "--deadline", "3s", **down)
    assert found.returncode == 3
    assert "binance" in found.stdout
    assert simulated.run("run", spec, "--once", "--catalog", "tape").returncode == 0
    whole(simulated, simulated.folder / "tape", ["binance", "bybit"], ["open_interest"])


def test_a_clock_that_is_off_is_told_and_everything_is_on_the_venues(simulated, whole):
    simulated.skew(binance=5_000, bybit=-5_000, okx=30_000)
    found = simulated.run("run", simulated.spec("binance", "bybit", "okx", collect=BOTH), "--once", "--catalog", "tape")
    assert found.returncode == 0, found.stdout
    warned = [line for line in found.stderr.splitlines() if "clock" in line]
    assert len(warned) == 3
    assert re.search(r"venue=binance ahead_ms=(4[5-9]|5[0-4])\d\d\b", "\n".join(warned)), warned
    whole(simulated, simulated.folder / "tape", ["binance", "bybit", "okx"])


def test_a_second_run_in_the_same_slot_asks_for_no_data_and_a_later_one_only_for_what_was_published_since(simulated, whole):
    spec = simulated.spec(collect=BOTH)
    run = partial(simulated.run, "run", spec, "--once", "--catalog", "tape")
    slot = time.time() // 300
    first = run()
    assert first.returncode == 0, first.stdout + first.stderr
    simulated.control("POST", "forget")
    again = run()
    assert again.returncode == 0, again.stdout + again.stderr
    if time.time() // 300 == slot:
        asked = [one for venue in simulated.endpoints for one in simulated.data_requests(venue)]
        assert {one["path"] for one in asked} <= LISTING
        assert not [one for one in asked if one["path"] == "/info" and "fundingHistory" in str(one["body"])]
    simulated.skew(**dict.fromkeys(simulated.endpoints, 20 * 60_000))
    later = run()
    assert later.returncode == 0, later.stdout + later.stderr
    (rows,) = re.findall(r"^binance open_interest: (\d+) rows", later.stdout, re.MULTILINE)
    assert 4 <= int(rows) <= 7, "the buckets of twenty minutes and those that were late before"
    whole(simulated, simulated.folder / "tape", simulated.endpoints)


def test_a_ticker_listed_again_with_another_contract_size_is_a_new_lifetime_and_is_told(simulated):
    spec = simulated.spec("okx", symbols="SOLUSDT-PERP")
    run = partial(simulated.run, "run", spec, "--once", "--catalog", "tape")
    simulated.skew(okx=-3_600_000)
    assert run().returncode == 0
    size = Tape.open(str(simulated.folder / "tape")).instruments("okx")[0].instrument.contract_size
    simulated.control("POST", "relist", {"venue": "okx", "contract": "SOL-USDT-SWAP", "contract_size": str(size * 10)})
    simulated.skew(okx=0)
    again = run()
    assert again.returncode == 0, again.stdout
    assert re.search(r"warning listed again with other terms.*venue=okx", again.stderr), again.stderr
    seen = Tape.open(str(simulated.folder / "tape")).instruments("okx")
    assert sorted(one.instrument.contract_size for one in seen) == [size, size * 10]
    status = simulated.run("status", "--catalog", "tape")
    assert "okx: SOL-USDT-SWAP.OKX was listed again" in status.stderr
