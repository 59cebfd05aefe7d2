"""What every `Exchange` promises, held against fakes and against CCXT's clients on simulated venues alike."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from perptape.collect.paginate import page
from perptape.errors import Retry, Skip
from perptape.exchanges.base import History
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR, MINUTE, Interval, floor

Subject = Any
Ear = Any


def _history(subject: Subject) -> History:
    history: History | None = subject.exchange.traits.open_interest_history
    if history is None:
        pytest.fail("asked of a venue without a history")
    return history


def _page(times: list[int], history: History) -> list[int]:
    """What one page holds of all the times in a window, by the venue's rule."""
    return times[: history.page.limit] if history.page.order == "forward" else times[-history.page.limit :]


async def test_the_clock_is_the_venues(subject: Subject) -> None:
    before = subject.now()
    now, after = await subject.exchange.now(), subject.now()
    unsure = 500 + (after - before) // 2  # nobody knows on which half of the way an answer was held up
    assert before - unsure < now < after + unsure


async def test_instruments_are_told_apart_and_named_as_nautilus_names_them(subject: Subject) -> None:
    listed = await subject.exchange.instruments()
    live = [one for one in listed if one.delisted is None]
    assert len({one.id for one in listed}) == len(listed) > 1
    assert all(one.id.endswith(f".{subject.exchange.traits.nautilus_venue}") and one.contract_size > 0 for one in listed)
    assert {one.base for one in live} >= {"BTC", "ETH"}


async def test_current_open_interest_of_many_is_a_row_each_and_now(subject: Subject) -> None:
    before = subject.now()
    answer = await subject.exchange.open_interest(subject.live)
    after = subject.now()
    assert [one.id for one in (row.instrument for row in answer.rows)].count(subject.live[0].id) == 1
    assert {row.instrument.id for row in answer.rows} == {one.id for one in subject.live}
    for row in answer.rows:
        assert row.time is not None
        assert before - 3_000 < row.time < after + 3_000, "not the bucket of an hour ago"
        assert any(value is not None for value in (row.contracts, row.base, row.usd))
        assert row.usd is not None or row.mark is not None, "USD is sent, or can be derived"
    assert answer.origin == subject.origin == subject.exchange.origin
    assert before - 1_500 < answer.received < after + 1_500
    if subject.exchange.traits.open_interest_calls == "one":
        assert answer.calls <= len({one.settle for one in subject.live})


async def test_a_symbol_that_is_not_known_is_skipped(subject: Subject) -> None:
    unknown = replace(subject.live[0], id="NOPE", venue_id="NOPE-USDT-SWAP", symbol="NOPE/USDT:USDT")
    with pytest.raises(Skip):
        await subject.exchange.open_interest([unknown])


async def test_a_symbol_that_is_gone_does_not_take_the_others_with_it(subject: Subject) -> None:
    if subject.simulation is None:
        return
    subject.simulation.delist(subject.exchange.traits.venue, subject.live[1].venue_id)
    answer = await subject.exchange.open_interest(subject.live)
    assert {row.instrument.id for row in answer.rows} == {one.id for one in subject.live} - {subject.live[1].id}
    assert any(subject.live[1].venue_id in line or "refused" in line for line in answer.dropped)


async def test_a_days_volume_of_many_is_a_row_each_in_usd(subject: Subject) -> None:
    answer = await subject.exchange.volume(subject.live)
    traded = {row.instrument.id: float(row.usd) for row in answer.rows}
    assert traded.keys() == {one.id for one in subject.live}
    assert answer.calls <= len({one.settle for one in subject.live})
    for one in subject.live:
        assert traded[one.id] == pytest.approx(subject.volume(one), rel=0.02)
    with pytest.raises(Skip):
        await subject.exchange.volume([replace(subject.live[0], id="NOPE", venue_id="NOPE-USDT-SWAP", symbol="NOPE/USDT:USDT")])


async def test_predictions_are_of_a_settlement_that_is_ahead(subject: Subject) -> None:
    before = subject.now()
    answer = await subject.exchange.funding(subject.live)
    assert {row.instrument.id for row in answer.rows} == {one.id for one in subject.live}
    for row in answer.rows:
        assert row.rate is not None
        assert row.next_time is not None
        assert before - 1_000 < row.next_time <= subject.now() + 8 * HOUR
        assert row.interval_minutes is None or row.interval_minutes in (60, 120, 240, 480)


async def _settled(subject: Subject, one: Instrument, window: Interval) -> list[int]:
    answer = await subject.exchange.funding_page(one, window)
    times = [row.time for row in answer.rows]
    assert all(time in window for time in times), "only what was asked for"
    assert all(row.rate is not None for row in answer.rows)
    return sorted((time + MINUTE // 2) // MINUTE * MINUTE for time in times)


async def test_a_page_of_settlements_holds_every_one_of_a_window(subject: Subject) -> None:
    one, now = subject.live[0], floor(subject.now(), DAY)
    window = Interval(now - 12 * DAY, now - DAY)
    assert await _settled(subject, one, window) == subject.settlements(one, window)


async def test_a_page_of_settlements_is_cut_as_the_traits_say(subject: Subject) -> None:
    one, now = subject.live[0], floor(subject.now(), DAY)
    history = subject.exchange.traits.funding_history
    span = history.page.span or 400 * DAY
    window = Interval(now - DAY - min(span, history.retention or span), now - DAY)
    if history.retention is not None:
        window = Interval(window.start + 2 * DAY, window.end)
    assert await _settled(subject, one, window) == _page(subject.settlements(one, window), history)


async def test_windows_side_by_side_lose_no_settlement(subject: Subject) -> None:
    """CCXT's pages of Deribit lose 24 h in every 31 days, OKX's ignore their start."""
    one, now = subject.live[0], floor(subject.now(), DAY)
    history = subject.exchange.traits.funding_history
    step = min(history.page.span or DAY * 20, history.page.limit * HOUR // 24 * 24, 20 * DAY)
    whole = Interval(now - 3 * step, now - DAY)
    windows = [Interval(start, min(start + step, whole.end)) for start in range(whole.start, whole.end, step)]
    found = [time for window in windows for time in await _settled(subject, one, window)]
    assert found == subject.settlements(one, whole)


async def test_history_holds_every_bucket_of_a_window_and_none_outside(subject: Subject) -> None:
    if subject.exchange.traits.open_interest_history is None:
        return
    one = subject.live[0]
    for period in _history(subject).periods:
        end = floor(subject.now() - HOUR, period) - period
        window = Interval(end - 20 * period if period < HOUR else end - 3 * period, end)
        answer = await subject.exchange.open_interest_page(one, period, window)
        assert sorted(row.time for row in answer.rows) == subject.open_interest(one, window, period), period // MINUTE
        assert window.start in {row.time for row in answer.rows}
        assert window.end not in {row.time for row in answer.rows}


async def test_a_page_of_history_is_cut_as_the_traits_say(subject: Subject) -> None:
    if subject.exchange.traits.open_interest_history is None:
        return
    one, history = subject.live[0], _history(subject)
    period = history.periods[0]
    end = floor(subject.now() - HOUR, period)
    window = Interval(end - (history.page.limit + 50) * period, end)
    answer = await subject.exchange.open_interest_page(one, period, window)
    assert sorted(row.time for row in answer.rows) == _page(subject.open_interest(one, window, period), history)


async def test_a_bucket_that_is_not_over_is_not_served_as_if_it_were(subject: Subject) -> None:
    if subject.exchange.traits.open_interest_history is None:
        return
    one, history = subject.live[0], _history(subject)
    answer = await subject.exchange.open_interest_page(one, HOUR, Interval(subject.now() - 5 * HOUR, subject.now() + HOUR))
    ends = HOUR if history.stamp == "start" else 0
    assert answer.rows
    assert all(row.time + ends <= subject.now() for row in answer.rows)


async def test_a_window_older_than_what_is_kept_is_empty_or_shrunk(subject: Subject) -> None:
    if subject.exchange.traits.open_interest_history is None:
        return
    one, history = subject.live[0], _history(subject)
    kept = history.kept(5 * MINUTE)
    if kept is None:
        return
    start = subject.now() - kept - 2 * DAY
    asked = subject.exchange.open_interest_page(one, 5 * MINUTE, Interval(start, start + HOUR))
    (answer,) = await asyncio.gather(asked, return_exceptions=True)
    assert answer.shrink if isinstance(answer, Skip) else not answer.rows


async def test_a_period_that_is_not_served_is_skipped(subject: Subject) -> None:
    with pytest.raises(Skip):
        await subject.exchange.open_interest_page(subject.live[0], 7 * MINUTE, Interval(0, DAY))


async def test_a_venue_without_a_feed_says_why(subject: Subject, ear: Ear) -> None:
    if subject.exchange.traits.feed is not None:
        return
    with pytest.raises(Skip, match="no public feed"):
        await subject.exchange.liquidations(subject.live, ear)
    assert not ear.order


@pytest.mark.slow
async def test_the_past_liquidations_of_a_window_are_all_there_page_by_page(subject: Subject) -> None:
    feed = subject.exchange.traits.feed
    if feed is None or feed.repair_page is None:
        with pytest.raises(Skip, match="no past liquidations"):
            await subject.exchange.liquidations_page(subject.live[0], Interval(0, DAY))
        return
    one, end, found = subject.live[0], floor(subject.now() - HOUR, HOUR), []
    window = left = Interval(end - HOUR, end)
    expected, pages = subject.happened(one, window), 0
    while left is not None and left:
        answer = await subject.exchange.liquidations_page(one, left)
        shown = page(left, left, [fill.time for fill in answer.rows], feed.repair_page)
        orders = [order for fill in answer.rows if fill.time in shown.proven for order in fill.orders]
        found += [(order.time, order.side) for order in orders]
        assert not answer.dropped
        assert all(order.instrument == one for order in orders)
        left, pages = shown.left, pages + 1
    assert sorted(found) == expected
    assert len(expected) > 20
    assert pages > 1


async def _ticking(subject: Subject) -> None:
    while True:
        subject.tick()
        await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_a_stream_is_acknowledged_then_proves_itself_then_tells_events_and_its_end(subject: Subject, ear: Ear) -> None:
    if subject.exchange.traits.feed is None:
        return
    ticking = asyncio.create_task(_ticking(subject))
    stream = asyncio.create_task(subject.exchange.liquidations(subject.live, ear))
    try:
        await ear.until(lambda told: told.counts["acknowledged"] == 1)
        await ear.until(lambda told: told.counts["control"] >= 1)
        subject.liquidate(subject.live[0])
        await ear.until(lambda told: bool(told.counts["feed"]) and "liquidation" in told.order[told.order.index("feed") :])
    finally:
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)
        ticking.cancel()
    assert stream.cancelled()
    assert ear.order[0] == "acknowledged"
    assert ear.order[-1] == "closed"
    newest = len(ear.order) - 1 - ear.order[::-1].index("liquidation")
    assert ear.order.index("feed") < newest, "an order of before the subscription, which OKX repeats, is no word of the feed"
    assert ear.counts["closed"] == 1
    assert len(ear.connections) == 1
    assert ear.received == sorted(ear.received)
    assert ear.events[-1].side in ("BUY", "SELL")
    assert ear.events[-1].instrument in subject.live


async def test_every_subscription_has_a_name_of_its_own(subject: Subject, ear: Ear) -> None:
    if subject.exchange.traits.feed is None:
        return
    for _ in range(2):
        stream = asyncio.create_task(subject.exchange.liquidations(subject.live, ear))
        before = ear.counts["acknowledged"]
        await ear.until(lambda told, before=before: told.counts["acknowledged"] > before)
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)
    assert len(ear.connections) == 2


async def test_after_closing_nothing_is_left_open(subject: Subject) -> None:
    await subject.exchange.open_interest(subject.live[:1])
    await subject.exchange.close()
    assert [task for task in asyncio.all_tasks() if "perptape.exchanges" in repr(task)] == []


async def test_a_venue_that_is_down_is_a_reason_to_ask_again(subject: Subject) -> None:
    if subject.simulation is None:
        subject.exchange.will_raise([Retry("refused")])
    else:
        await subject.simulation.stop()
    with pytest.raises(Retry):
        await subject.exchange.open_interest(subject.live)
