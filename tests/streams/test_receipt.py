"""What a connection says before and after its acknowledgements: ordinals are counted for the whole subscription."""

from perptape.collect.stream_batch import ConnectionSink, Counts, Intake
from perptape.exchanges.base import RawLiquidation
from perptape.exchanges.registry import traits
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


def test_another_subscription_counts_anew() -> None:
    one, ordinals = sink()
    for connection in ("a", "b"):
        one.acknowledged(connection, NOW)
        one.liquidation(connection, event(), NOW)
    assert ordinals == [0, 0]
