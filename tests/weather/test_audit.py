"""`perptape verify FILE`: what is kept is asked of its venues again, and where they say otherwise now, that is said and followed."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from perptape.claims import Claim
from perptape.datasets import DATASETS
from perptape.interval import DAY, HOUR, MINUTE, NS, floor
from perptape.store.tape import Tape
from support.simulator import simulator

pytestmark = pytest.mark.slow

OI, FUNDING = DATASETS["open_interest"], DATASETS["funding"]
BTC = "BTCUSDT-LINEAR.BYBIT"
COLLECT = "{openInterest: {backfill: 3d}, funding: {backfill: 5d}}"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    with simulator(tmp_path_factory.mktemp("audit"), "--unlimited") as found:
        yield found


@pytest.fixture
def kept(simulated, tmp_path):
    """A spec and the tape of it, complete."""
    spec = simulated.spec("bybit", collect=COLLECT)
    done = simulated.run("run", spec, "--once", "--catalog", tmp_path / "tape")
    assert done.returncode == 0, done.stderr
    return spec, tmp_path / "tape"


def report(tmp_path):
    return json.loads((tmp_path / "report").read_text())


def changed(path, kind, rows: pa.Table) -> None:
    """Puts rows of another origin than the venue beside those that are there."""
    Tape.open(str(path)).commit("bybit", kind.name, rows, (), (), "tamperer", lambda: 1)


def test_a_tape_that_the_venue_agrees_with(simulated, kept, tmp_path):
    spec, tape = kept
    segments = sorted((tape / "perptape/segments").rglob("*.parquet"))
    done = simulated.run("verify", spec, "--catalog", tape, PERPTAPE_TERMINATION_LOG=str(tmp_path / "report"))
    assert done.returncode == 0, done.stderr
    assert "bybit open_interest: " in done.stderr
    assert done.stderr.count("rows asked again: all the same") == 2
    assert sorted((tape / "perptape/segments").rglob("*.parquet")) == segments
    notes = report(tmp_path)["notes"]
    assert notes[0] == "the store is as it should be"
    assert len(notes) == 3


def test_a_value_that_the_venue_has_changed_is_said_and_followed_and_what_was_kept_is_kept_aside(simulated, kept, tmp_path):
    spec, path = kept
    tape = Tape.open(str(path))
    right = tape.read("open_interest", BTC)
    old = right.filter(pc.less(right["ts_event"], (simulated.now("bybit") - 2 * DAY) * NS))
    wrong = old.set_column(old.schema.get_field_index("oi_base"), "oi_base", pc.multiply(old["oi_base"], 2.0))
    later = pc.add(wrong["ts_received"], 1)
    changed(path, OI, wrong.set_column(wrong.schema.get_field_index("ts_received"), OI.schema.field("ts_received"), later))
    done = simulated.run("verify", spec, "--sample", "1000", "--catalog", path)
    assert done.returncode == 0, done.stderr
    assert f"{old.num_rows} revised" in done.stderr
    assert "the tape has oi_contracts" in done.stderr
    tape.publish()
    after = tape.read("open_interest", BTC)
    assert after.select(["ts_event", "oi_base"]).equals(right.select(["ts_event", "oi_base"]))
    assert list((path / "perptape/revisions").rglob("*.parquet"))
    again = simulated.run("verify", spec, "--sample", "1000", "--catalog", path)
    assert again.stderr.count("all the same") == 2


def test_a_row_that_is_claimed_and_missing_fails_and_is_obtained(simulated, tmp_path):
    spec, path = simulated.spec("bybit", collect="{funding: {backfill: 5d}}"), tmp_path / "tape"
    done = simulated.run("run", spec, "--once", "--catalog", path)
    assert done.returncode == 0, done.stderr
    tape = Tape.open(str(path))
    first = tape.read("funding", BTC)["ts_event"][0].as_py() // NS
    start, now = first - 10 * DAY, simulated.now("bybit")
    claim = Claim(BTC, "settled", "complete", start, first, "", now, now)
    tape.commit("bybit", "funding", FUNDING.empty(), (claim,), (), "liar", lambda: now)
    done = simulated.run("verify", spec, "--sample", "1000", "--catalog", path)
    assert done.returncode == 1
    assert "claimed, and the tape has no row" in done.stderr
    truth = simulated.funding("bybit", "BTCUSDT", start, first)
    rows = tape.read("funding", BTC)
    had = {time // NS for time in rows["ts_event"].to_pylist()}
    whole = [time for time in truth if floor(start, DAY) + DAY <= time < floor(first, DAY)]
    assert len(whole) >= 9
    assert had.issuperset(whole)
    assert simulated.run("verify", spec, "--sample", "1000", "--catalog", path).returncode == 0


def test_a_row_that_the_venue_no_longer_has_is_said_and_stays(simulated, kept):
    spec, path = kept
    tape = Tape.open(str(path))
    rows = tape.read("funding", BTC)
    event = floor(simulated.now("bybit") - 3 * DAY, HOUR) + 30 * MINUTE
    extra = FUNDING.table([(BTC, "0.5", None, event * NS, event * NS, event * NS, event * NS)])
    changed(path, FUNDING, extra)
    done = simulated.run("verify", spec, "--sample", "1000", "--catalog", path)
    assert done.returncode == 0, done.stderr
    assert "1 withdrawn" in done.stderr
    assert tape.read("funding", BTC).num_rows == rows.num_rows + 1


@pytest.fixture
def of_binance(simulated, tmp_path):
    """A spec of three contracts and the tape of it, complete."""
    spec = simulated.spec("binance", symbols="BTCUSDT-PERP, ETHUSDT-PERP, SOLUSDT-PERP", collect=COLLECT)
    done = simulated.run("run", spec, "--once", "--catalog", tmp_path / "tape")
    assert done.returncode == 0, done.stderr
    yield spec, tmp_path / "tape"
    simulated.calm()


def said_of(done, dataset):
    return next(line for line in done.stderr.splitlines() if line.startswith(f"binance {dataset}: "))


def test_a_venue_whose_stamps_cannot_be_measured_is_audited_all_the_same(simulated, of_binance):
    spec, path = of_binance
    simulated.fault(kind="status", status=500, path="/fapi/v1/openInterest")  # what it is now, of which the tape has nothing
    done = simulated.run("verify", spec, "--sample", "3", "--deadline", "20s", "--catalog", path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("rows asked again: all the same") == 2
    assert "could not be measured: " in said_of(done, "open_interest")
    assert "500" in said_of(done, "open_interest")
    simulated.calm()
    done = simulated.run("verify", spec, "--sample", "3", "--catalog", path)
    assert "what it is stamped by cannot be told yet" in said_of(done, "open_interest")


def test_where_the_history_cannot_be_asked_for_again_it_is_said_that_its_stamps_could_not_be_measured_either(simulated, of_binance):
    spec, path = of_binance
    simulated.fault(kind="status", status=500, path="openInterestHist")  # a call more would be past the deadline
    done = simulated.run("verify", spec, "--sample", "3", "--deadline", "6s", "--catalog", path)
    assert done.returncode == 1
    assert "nothing could be compared; could not be measured: binance: no call before" in said_of(done, "open_interest")


@pytest.mark.slow
def test_a_venue_that_cannot_be_asked_fails_the_check_and_another_origin_is_refused(simulated, kept):
    spec, path = kept
    simulated.fault(kind="maintenance", venue="bybit", path="funding")
    try:
        done = simulated.run("verify", spec, "--deadline", "6s", "--catalog", path)
    finally:
        simulated.calm()
    assert done.returncode == 1
    assert "bybit funding: nothing could be compared" in done.stderr
    assert "retCode" in done.stderr.rpartition("bybit funding: nothing could be compared")[2]
    wrong = simulated.run("verify", "--exchange", "bybit", "--catalog", path)
    assert (wrong.returncode, "perptape verify FILE" in wrong.stderr) == (2, True)
