"""What `kubectl logs` of a fetch job says, in plain words: what was asked, obtained, written and is missing."""

import json

import pytest

from perptape.cli.daemon import document
from perptape.cli.order import Order, request
from perptape.collect.figures import Figures
from perptape.collect.outcome import Outcome
from perptape.collect.summary import Summary
from perptape.settings import settings
from perptape_api.document import parse


def test_what_is_asked_is_said_in_a_sentence():
    plain = document("majors", ["BTCUSDT-PERP", "ETHUSDT-PERP"], ["okx"], {"openInterest": {}, "liquidations": {}})
    asked = request(Order(parse(plain, "m.yaml"), "m.yaml", deadline="90s"), settings({}), "pod-0")
    assert asked.said() == "asked for open_interest every 5m, 30d back; liquidations live; of 2 symbols at okx, within 90 s"


def test_what_is_missing_is_said_in_a_sentence():
    one = Outcome("okx", "funding", rows=9, calls=2, instruments=1, figures=Figures(1_800_000_000_000, None, open=2, lost=1))
    assert Summary("a", "b", outcomes=[one]).lines() == [
        "okx funding: 9 rows of 1 instrument in 2 calls; missing: 2 open, 1 lost, all else up to 2027-01-15T08:00:00Z"
    ]


def test_a_streams_last_minutes_which_are_not_judged_yet_are_not_said_to_be_complete():
    """A connection that was cut off for a while, just before the end: the hole shows three minutes later."""
    one = Outcome("okx", "funding", figures=Figures(1_800_000_000_000, 1_800_000_000_000 - 180_000))
    (line,) = Summary("a", "b", outcomes=[one]).lines()
    assert line.endswith("; missing: nothing, complete up to 2027-01-15T07:57:00Z")


def test_a_hole_just_now_is_said_to_be_pending_and_one_that_is_lost_says_why():
    young = Outcome("okx", "funding", figures=Figures(1_800_000_000_000, 1_800_000_000_000 - 60_000, pending=8_100))
    older = Outcome("okx", "funding", figures=Figures(1_800_000_000_000, lost=2, why=("disconnected", "process down"), pending=1))
    assert [line.partition("; ")[2] for line in Summary("a", "b", outcomes=[young, older]).lines()] == [
        "missing: nothing yet, 9 s pending, complete up to 2027-01-15T07:59:00Z",
        "missing: 2 lost (disconnected, process down), 1 s pending, all else up to 2027-01-15T08:00:00Z",
    ]


def test_a_stream_that_proved_nothing_is_complete_up_to_nowhere():
    one = Outcome("okx", "funding", figures=Figures(None, 1_800_000_000_000, pending=31_000))
    assert Summary("a", "b", outcomes=[one]).lines()[0].endswith("; missing: nothing yet, 31 s pending")


def test_nothing_is_said_to_be_complete_up_to_later_than_the_end_of_the_run_on_the_venues_clock():
    one = Outcome("okx", "funding", offset=2_000, figures=Figures(1_800_000_600_000, 1_800_000_600_000))
    (line,) = Summary("a", "b", finished=1_800_000_000_000, outcomes=[one]).lines()
    assert line.endswith("complete up to 2027-01-15T08:00:02Z")


def test_what_was_out_of_the_venues_reach_is_said_though_it_is_no_hole():
    one = Outcome("okx", "funding", rows=1, calls=1, instruments=2, figures=Figures(1_800_000_000_000, reach=1_700_000_000_000))
    assert Summary("a", "b", outcomes=[one]).lines() == [
        "okx funding: 1 row of 2 instruments in 1 call; missing: nothing, complete up to 2027-01-15T08:00:00Z; "
        "out of the venue's reach: up to 2023-11-14T22:13:20Z"
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_fetch_jobs_log_is_json_and_its_words_tell_the_run(pods):
    spec = pods.mount("{funding: {backfill: 2d}}", "bybit", "BTCUSDT-PERP")
    environ = pods.environ(spec, "bybit", "funding", "pod-0", PERPTAPE_TIME_BUDGET="240")
    found = pods.simulated.run("run", spec, "--once", "--exchange", "bybit", "--dataset", "funding", timeout=200, **environ)
    assert found.returncode == 0, found.stderr
    said = [json.loads(line)["event"] for line in found.stderr.splitlines()]
    assert said[0].startswith("asked for funding every 1h, 2d back; of 1 symbol at bybit, within 2")
    assert "segment written" in said
    assert any(line.startswith("bybit funding: ") and "; missing: nothing, complete up to 20" in line for line in said), said[-2:]
    assert json.loads(found.stdout)["run"] == "pod-0"
