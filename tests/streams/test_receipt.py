"""What a connection says before and after its acknowledgements: ordinals are counted for the whole subscription."""

from typing import Any

import pytest

from perptape.collect.stream_adopt import Adopted
from perptape.collect.stream_batch import Counts, Intake
from perptape.collect.stream_sink import ConnectionSink
from perptape.datasets.liquidations import LIQUIDATIONS
from perptape.exchanges.registry import traits
from perptape.interval import LATEST, NS
from perptape.raw import RawLiquidation
from support.fake_exchange import START, perpetual

ONE = perpetual(traits("bybit"))
NOW = START * 1_000_000


def event(time: int = START) -> RawLiquidation:
    return RawLiquidation(ONE, time, "BUY", "100", None, "1")


def sink() -> tuple[ConnectionSink, list[int]]:
    ordinals: list[int] = []
    made = ConnectionSink(
        Intake(1_000, Counts()),
        "base",
        market=False,
        on_row=lambda row: ordinals.append(row[9]),
        on_malformed=lambda connection, message: None,
        clock=lambda: 0.0,
    )
    return made, ordinals


def test_equal_events_on_both_sides_of_a_late_acknowledgement_are_two() -> None:
    one, ordinals = sink()
    one.liquidation("a", event(), NOW)
    one.acknowledged("a", NOW)
    one.liquidation("a", event(), NOW)
    assert ordinals == [0, 1]


def test_an_event_of_a_time_that_no_row_can_hold_is_malformed_and_keeps_no_other_out() -> None:
    one, ordinals = sink()
    one.acknowledged("a", NOW)
    for time in (LATEST - 1, LATEST, 10**18):
        one.liquidation("a", event(time), NOW)
    assert one._intake.counts.malformed == 2
    assert LIQUIDATIONS.table(one._intake.take().rows).num_rows == len(ordinals) == 1


def test_another_subscription_counts_anew() -> None:
    one, ordinals = sink()
    for connection in ("a", "b"):
        one.acknowledged(connection, NOW)
        one.liquidation(connection, event(), NOW)
    assert ordinals == [0, 0]


@pytest.mark.parametrize("time", [START + 0.5, START / 1_000, START // 1_000, "1", True, 0, LATEST])
def test_a_control_message_of_a_time_that_is_none_is_malformed_and_proves_nothing(time: Any) -> None:
    one, _ = sink()
    one.acknowledged("a", NOW)
    one.control("a", time, NOW + NS)
    assert (one.proven, one.first, one._intake.counts.malformed) == (False, None, 1)
    assert [mark.kind for mark in one._intake.take().marks] == ["acknowledged", "malformed"]
    one.control("a", START, NOW + NS)
    assert (one.proven, one.first) == (True, START)


def test_what_one_log_said_for_longer_stays_known_when_another_is_brought_in() -> None:
    first, later = Adopted(), Adopted(waiting=["left"])
    first.hear("bybit", "liquidations", {"BTC": 50, "ETH": 10})
    later.hear("bybit", "liquidations", {"BTC": 20, "ETH": 30})
    later.hear("okx", "liquidations", {"BTC": 5})
    first.go_on(later)
    assert first.since("bybit", "liquidations") == {"BTC": 50, "ETH": 30}
    assert first.since("okx", "liquidations") == {"BTC": 5}
    assert first.waiting == ["left"]
