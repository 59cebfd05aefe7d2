"""Which lives of a contract are known and when each ended."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perptape.datasets.instruments import SeenInstrument, join, seen_instruments, seen_rows
from perptape.datasets.lifetimes import MISSING_FOR, Life, lives, news
from perptape.exchanges.registry import traits
from perptape.instruments import Instrument
from perptape.interval import DAY, HOUR
from support.fake_exchange import perpetual

NOW = 20_000 * DAY
BTC, ETH = (perpetual(traits("binance"), base, listed=NOW - 100 * DAY) for base in ("BTC", "ETH"))
TENFOLD = replace(BTC, contract_size=Decimal(10))


def seen(one: Instrument, last: int = NOW - HOUR, first: int = NOW - 9 * DAY) -> SeenInstrument:
    return SeenInstrument(one, first, last)


def ended(one: Instrument, at: int) -> Instrument:
    return replace(one, delisted=at)


def after(remembered: list[SeenInstrument], listing: list[Instrument], now: int = NOW) -> list[SeenInstrument]:
    """What the store remembers after a run."""
    fresh = news(lives(remembered, listing, now), remembered, {BTC.id, ETH.id})
    return list(seen_instruments(join([seen_rows(remembered), seen_rows(fresh)])))


def test_what_is_listed_is_remembered_once_and_again_a_day_later() -> None:
    first = after([], [BTC])
    assert first == [SeenInstrument(BTC, NOW, NOW)]
    assert after(first, [BTC], NOW + DAY) == first
    assert after(first, [BTC], NOW + DAY + 1) == [SeenInstrument(BTC, NOW, NOW + DAY + 1)]


def test_a_changed_settlement_interval_is_remembered_at_once() -> None:
    changed = replace(BTC, funding_minutes=240)
    assert after([seen(BTC)], [changed]) == [seen(changed, NOW)]


def test_an_end_that_the_venue_lets_creep_stays_where_it_was_first_seen() -> None:
    first = after([seen(BTC)], [ended(BTC, NOW)])
    assert first == [seen(ended(BTC, NOW))]
    assert after(first, [ended(BTC, NOW + 5 * DAY)], NOW + 5 * DAY) == first
    assert lives(first, [ended(BTC, NOW + 5 * DAY)], NOW + 5 * DAY)[0].instrument.delisted == NOW


def test_an_earlier_end_that_the_venue_dates_later_counts() -> None:
    assert after([seen(ended(BTC, NOW - HOUR))], [ended(BTC, NOW - 2 * HOUR)]) == [seen(ended(BTC, NOW - 2 * HOUR))]


def test_a_contract_that_no_list_names_is_doubted_for_a_day_and_then_ended_where_it_was_first_missing() -> None:
    (doubted,) = lives([seen(BTC)], [], NOW)
    assert (doubted.doubted, doubted.instrument.delisted) == (True, None)
    told = after([seen(BTC)], [ETH])
    later = lives(told, [ETH], NOW + MISSING_FOR - 1)[0]
    assert (later.doubted, later.instrument.delisted) == (True, None)
    gone = lives(told, [ETH], NOW + MISSING_FOR)[0]
    assert (gone.doubted, gone.instrument.delisted) == (False, NOW)


def test_a_contract_that_may_be_one_that_could_not_be_understood_goes_on() -> None:
    for later in (NOW, NOW + 2 * MISSING_FOR):
        (kept, _) = lives([seen(BTC)], [ETH], later, whole=False)
        assert kept == Life(seen(BTC))
        assert news([kept], [seen(BTC)], {BTC.id}) == ()


@pytest.mark.parametrize("away", [HOUR, 3 * DAY])
def test_a_contract_that_comes_back_with_its_terms_was_never_gone(away: int) -> None:
    told = after([seen(BTC)], [ETH])
    assert next(one for one in told if one.instrument.id == BTC.id).instrument.delisted == NOW
    back = after(told, [BTC, ETH], NOW + away)
    assert seen(BTC, NOW + away) in back


def test_a_ticker_listed_again_with_other_terms_ends_its_old_life_when_the_new_one_began() -> None:
    again = replace(TENFOLD, listed=NOW - 10 * 60_000)
    old, new = lives([seen(BTC)], [again], NOW)
    assert (old.instrument, new.instrument) == (ended(BTC, NOW - 10 * 60_000), again)


def test_an_end_known_before_the_new_life_stays() -> None:
    old, _ = lives([seen(ended(BTC, NOW - DAY), NOW - 2 * DAY)], [replace(TENFOLD, listed=NOW - HOUR)], NOW)
    assert old.instrument.delisted == NOW - DAY


def test_terms_that_change_under_the_old_listing_date_make_two_lives_that_do_not_overlap() -> None:
    old, new = lives([seen(BTC)], [TENFOLD], NOW)
    assert (old.instrument.life.end, new.instrument.life.start) == (NOW - HOUR, NOW - HOUR)


def test_a_venue_that_lists_the_old_life_beside_the_new_one_tells_both() -> None:
    old, new = lives([], [replace(TENFOLD, listed=NOW), ended(BTC, NOW - DAY)], NOW)
    assert (old.instrument, new.instrument) == (ended(BTC, NOW - DAY), replace(TENFOLD, listed=NOW))
    same = lives([], [ended(BTC, NOW - DAY), replace(BTC, listed=NOW)], NOW)
    assert [life.instrument for life in same] == [replace(BTC, listed=NOW)]


one_seen = st.builds(
    lambda one, end, last, tick: SeenInstrument(replace(one, delisted=end, tick=tick), 0, last),
    st.sampled_from([BTC, ETH, TENFOLD]),
    st.none() | st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([None, Decimal("0.1")]),
)
tables = st.lists(one_seen, max_size=6).map(seen_rows)


@given(tables, tables, tables)
def test_joining_ends_is_commutative_associative_and_idempotent(a, b, c) -> None:  # type: ignore[no-untyped-def]
    whole = join([a, b, c])
    assert join([c, b, a]).equals(whole)
    assert join([join([b, a]), c]).equals(whole)
    assert join([a, join([c, b])]).equals(whole)
    assert join([whole, whole]).equals(whole)


@given(st.lists(one_seen, min_size=1, max_size=8))
def test_of_what_was_last_seen_at_one_time_the_earliest_end_wins(rows) -> None:  # type: ignore[no-untyped-def]
    for kept in seen_instruments(join([seen_rows(rows)])):
        same = [r for r in rows if (r.instrument.id, r.instrument.terms) == (kept.instrument.id, kept.instrument.terms)]
        last = [r.instrument.delisted for r in same if r.seen_to == max(r.seen_to for r in same)]
        assert kept.instrument.delisted == min((end for end in last if end is not None), default=None)
