"""When a pod that stays is ready."""

import pytest

from perptape.pod.ready import Listening, unready

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
