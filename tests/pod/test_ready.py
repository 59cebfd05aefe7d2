"""When a pod that stays is ready."""

import pytest

from perptape.collect.outcome import Outcome
from perptape.collect.stream_report import LiveReport
from perptape.pod.ready import Listening, unready
from perptape.pod.told import listening

REACHED = {"bybit": ""}


@pytest.mark.parametrize(
    ("listening", "said"),
    [
        (Listening("bybit", 2, 1, 1), "1 of 2 connections are acknowledged"),
        (Listening("bybit", 2, 2, 1), "the control topic has not spoken on 1 of 2"),
    ],
)
def test_a_stream_is_ready_when_all_is_acknowledged_and_the_control_topic_has_spoken_since(listening, said):
    assert said in unready(REACHED, [listening], stored=True)
    assert unready(REACHED, [Listening("bybit", 2, 2, 2)], stored=True) == ""


def test_a_pod_is_not_ready_before_it_has_written_to_the_store():
    heard = [Listening("bybit", 1, 1, 1)]
    assert unready(REACHED, heard, stored=False) == "nothing was written to the store yet"
    assert unready(REACHED, heard, stored=False, store_error="there is no bucket 'tape'").endswith("there is no bucket 'tape'")


def test_a_process_that_fetches_is_ready_when_its_venue_is_reached():
    assert unready({"okx": "HTTP 503"}, [], stored=True) == "okx is not reached: HTTP 503"
    assert unready({"okx": ""}, [], stored=True) == ""


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome("bybit", "liquidations"), "0 of 1 connections are acknowledged"),
        (Outcome("bybit", "liquidations", instruments=2, symbols={"wanted": 2}), "0 of 1 connections are acknowledged"),
        (Outcome("bybit", "liquidations", symbols={"wanted": 2}), ""),
        (Outcome("hyperliquid", "liquidations", unsupported="no public feed"), ""),
        (Outcome("bybit", "open_interest", instruments=2), ""),
        (Outcome("bybit", "liquidations", instruments=2, live=LiveReport("bybit", "liquidations", 2, connected=1, proven=1)), ""),
    ],
)
def test_a_stream_that_has_not_begun_is_none_that_listens(outcome: Outcome, said: str):
    told = unready(REACHED, [listening(one) for one in [outcome] if one.listens], stored=True)
    assert told.endswith(said)
    assert bool(told) == bool(said)
