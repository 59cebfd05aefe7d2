"""`perptape verify FILE` measures by what a venue stamps its history of open interest, against samples of its own."""

import json

import pytest

from perptape.exchanges.registry import traits
from perptape.interval import MINUTE
from perptape.store.tape import Tape
from support.simulator import simulator

pytestmark = pytest.mark.slow

SYMBOLS = ", ".join(f"{base}USDT-PERP" for base in ("BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "ADA", "LINK", "AVAX", "LTC"))
VENUES = ("binance", "bybit", "okx")


@pytest.fixture
def simulated(tmp_path):
    with simulator(tmp_path, "--unlimited", "-e", "binance", "-e", "bybit", "-e", "okx") as found:
        yield found


def audited(simulated, spec, tmp_path, times):
    """What the last of some audits said, 17 minutes of the venues' time after one another, and what it left for Kubernetes."""
    tape, report = tmp_path / "tape", tmp_path / "report"
    for _ in range(times):
        done = simulated.run("run", spec, "--once", "--catalog", tape)
        assert done.returncode == 0, done.stderr
        done = simulated.run("verify", spec, "--catalog", tape, PERPTAPE_TERMINATION_LOG=str(report), PERPTAPE_LOG_FORMAT="json")
        assert done.returncode == 0, done.stderr
        simulated.skew(**dict.fromkeys(VENUES, 17 * MINUTE))
    return done.stderr, json.loads(report.read_text())["notes"]


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_venues_that_stamp_as_perptape_takes_it_are_told_after_some_audits(simulated, tmp_path):
    spec = simulated.spec(*VENUES, symbols=SYMBOLS, collect="{openInterest: {backfill: 6h}}")
    first, _ = audited(simulated, spec, tmp_path, 1)
    assert first.count("what it is stamped by cannot be told yet") == 3  # no bucket after the sample is listed yet
    said, notes = audited(simulated, spec, tmp_path, 3)
    for venue in VENUES:
        stamp = traits(venue).open_interest_history.stamp
        (line,) = [line for line in lines(said) if line["event"] == "stamps measured" and line["venue"] == venue]
        assert (line["stamps"], line["assumed"]) == (stamp, stamp)
        assert line["buckets"][stamp] >= 16
        by_chance = sum(line["buckets"].values()) - line["buckets"][stamp]  # a sample is milliseconds off, and two curves may cross there
        assert by_chance <= 2
        assert any(f"stamped by {stamp} (" in note for note in notes if note.startswith(venue))
    assert "report it" not in said
    tape = Tape.open(str(tmp_path / "tape"))
    assert set(tape.every_row("open_interest")["period_minutes"].to_pylist()) == {5}  # samples are no part of the tape
    tape.publish()
    assert set(tape.every_row("open_interest")["period_minutes"].to_pylist()) == {5}
    assert not tape.verify()


@pytest.mark.parametrize(("venue", "stamp"), [("binance", "start"), ("okx", "end"), ("bybit", "instant")])
def test_a_venue_that_stamps_otherwise_is_noticed_and_it_is_said_what_to_do(simulated, tmp_path, venue, stamp):
    simulated.control("POST", "stamp", {"venue": venue, "stamp": stamp})
    spec = simulated.spec(venue, symbols=SYMBOLS, collect="{openInterest: {backfill: 6h}}")
    said, notes = audited(simulated, spec, tmp_path, 4)
    text = f"{venue} stamps open interest by `{stamp}`, perptape takes it for `{traits(venue).open_interest_history.stamp}`"
    assert notes[1].startswith(text)
    assert "in backtests go by ts_init" in notes[1]
    assert text in said
    (line,) = [line for line in lines(said) if line["event"].startswith(text)]
    assert (line["level"], line["stamps"]) == ("warning", stamp)


def test_where_the_tape_has_samples_the_history_is_asked_for_and_one_audit_tells(simulated, tmp_path):
    """`every` of a minute: of Binance, which lists nothing finer than five minutes, samples are collected."""
    spec = simulated.spec("binance", symbols=SYMBOLS, collect="{openInterest: {every: 1m, backfill: 1h}}")
    tape = tmp_path / "tape"
    for _ in range(3):
        done = simulated.run("run", spec, "--once", "--catalog", tape)
        assert done.returncode == 0, done.stderr
        simulated.skew(binance=17 * MINUTE)
    done = simulated.run("verify", spec, "--catalog", tape)
    assert done.returncode == 0, done.stderr
    assert "stamped by instant (" in done.stderr
    assert not (tape / "perptape/samples").exists()
