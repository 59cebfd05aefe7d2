"""A feed that is silent beyond its quiet limit is listened to by a second connection; who does not hear what another hears is given up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from perptape.collect.deafness import DEAF_AFTER, Deafness, silent_since
from perptape.raw import RawLiquidation
from support.staged import Stage, running

QUIET = 300
"""Seconds that the feed of OKX, and of Bybit's symbols, may be silent by the traits."""


@dataclass
class Heard:
    """One connection's ear."""

    acknowledged_at: float | None = 0.0
    fed: dict[str, float] = field(default_factory=dict)


def test_silence_that_all_share_proves_nothing() -> None:
    deafness = Deafness()
    assert deafness.verdict(Heard(fed={"": 10.0}), [Heard(fed={"": 10.2})]) is None
    assert deafness.verdict(Heard(fed={"": 10.0}), [Heard(), Heard(None)]) is None


def test_a_topic_that_another_hears_is_suspected_first_and_given_up_at_the_next_look() -> None:
    deafness, deaf, other = Deafness(), Heard(fed={"BTC": 10.0, "ETH": 50.0}), Heard(fed={"BTC": 11.0 + DEAF_AFTER, "ETH": 50.0})
    assert deafness.verdict(deaf, [other]) is None
    assert deafness.verdict(deaf, [other]) == "the feed of BTC is silent here and another connection hears it"


def test_what_comes_a_moment_later_here_is_no_deafness() -> None:
    deafness, slow, other = Deafness(), Heard(fed={"": 10.0}), Heard(fed={"": 100.0})
    assert deafness.verdict(slow, [other]) is None
    slow.fed[""] = 100.1
    assert deafness.verdict(slow, [other]) is None
    other.fed[""] = 200.0
    assert deafness.verdict(slow, [other]) is None, "another silence is suspected anew"


def test_what_was_heard_before_this_one_was_acknowledged_counts_for_nothing() -> None:
    deafness = Deafness()
    for _ in range(3):
        assert deafness.verdict(Heard(acknowledged_at=100.0), [Heard(fed={"": 100.0 + DEAF_AFTER})]) is None


def test_silence_counts_from_the_last_word_or_the_acknowledgement_of_whoever_listens() -> None:
    assert silent_since([Heard(5.0, {"": 7.0}), Heard(9.0), Heard(None, {"": 30.0})]) == 9.0
    assert silent_since([Heard(None)]) is None


async def control(one: Stage, seconds: int, *hearing: str) -> None:
    """The control topic speaks on all connections, the feed only on those named."""
    for _ in range(seconds):
        one.exchange.tick()
        for name in hearing:
            if name in one.exchange.connections:
                one.exchange.push(one.event(), connection=name)
        await asyncio.sleep(1)


@pytest.mark.slow
@pytest.mark.looptime
async def test_a_topic_that_dies_while_the_control_topic_flows_is_heard_again_by_a_second_connection(stage) -> None:
    one = stage("okx")
    async with running(one) as stream:
        await one.beat(20)
        (first,) = one.exchange.connections
        await control(one, QUIET + 8)
        assert len(one.exchange.connections) == 2, "the quiet limit has passed"
        (second,) = set(one.exchange.connections) - {first}
        await control(one, 40, second)
        assert first not in one.exchange.connections, "it is deaf, and was given up"
        for _ in range(30):
            one.exchange.tick()
            one.exchange.push(one.event())
            await asyncio.sleep(1)
        assert len(one.exchange.connections) == 1
        assert stream.report.seconds == 1
        assert "another connection hears it" in stream.report.last_error
        assert (stream.report.connected, stream.report.proven) == (1, 1)
    assert len(one.prices) == one.sent
    assert {line[0] for line in one.standing()} == {"sampled", "unproven"}
    (silence,) = [line for line in one.standing() if line[0] == "unproven"]
    assert silence[2] <= 21
    assert QUIET + 20 <= silence[3] <= QUIET + 40


@pytest.mark.slow
@pytest.mark.looptime
async def test_a_quiet_market_is_unproven_and_costs_a_second_connection_now_and_then(stage) -> None:
    one = stage("okx")
    async with running(one) as stream:
        await one.beat(20)
        (first,) = one.exchange.connections
        await control(one, 4 * QUIET)
        assert first in one.exchange.connections, "silence by itself ends nothing"
        assert 1 <= stream.report.seconds <= 3
        await one.beat(10)
    assert stream.report.reconnects == 0
    assert {line[0] for line in one.standing()} == {"sampled", "unproven"}
    assert one.spans("hole") == [(0, 0.1)]


@pytest.mark.looptime
async def test_of_two_replicas_the_one_whose_symbol_is_dead_is_given_up_within_a_minute(stage) -> None:
    one = stage("bybit")
    async with running(one, replicas=2) as stream:
        await one.beat(10)
        deaf, hearing = one.exchange.connections
        await control(one, 40, hearing)
        assert hearing in one.exchange.connections
        assert deaf not in one.exchange.connections
        assert len(one.exchange.connections) == 2
        assert stream.report.seconds == 0
    assert len(one.prices) == one.sent
    assert [line[0] for line in one.standing()] == ["complete"]


@pytest.mark.looptime
async def test_old_orders_that_are_repeated_after_a_subscription_are_no_sign_that_others_are_deaf(stage) -> None:
    one = stage("okx")
    async with running(one) as stream:
        await one.beat(20)
        (first,), old = one.exchange.connections, one.event()
        for _ in range(QUIET + 60):
            one.exchange.tick()
            for name in set(one.exchange.connections) - {first}:
                if name not in (said := getattr(one, "told", set())):
                    one.told = {*said, name}  # type: ignore[attr-defined]
                    one.exchange.push(RawLiquidation(*old), connection=name)
            await asyncio.sleep(1)
        assert stream.report.seconds == 1
        assert first in one.exchange.connections


@pytest.mark.looptime
async def test_a_stop_while_a_second_connection_listens_closes_it_too(stage) -> None:
    one: Any = stage("okx")
    async with running(one):
        await one.beat(20)
        await control(one, QUIET + 10)
        assert len(one.exchange.connections) == 2
    assert one.exchange.connections == ()
    assert one.report.complete
