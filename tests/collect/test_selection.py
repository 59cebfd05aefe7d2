"""Which instruments a selection means: by what is listed, by size, and by what was selected before."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perptape.claims import Want, join_wants
from perptape.collect.selection import AGAIN, STAYS, Seen, Selection, plain
from perptape.exchanges.registry import traits
from perptape.interval import DAY, HOUR
from perptape_api.symbols import Select
from support.fake_exchange import START, perpetual

BINANCE = traits("binance")
COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA")
LISTED = tuple(perpetual(BINANCE, coin) for coin in COINS)
TIME = st.integers(0, 30).map(lambda days: START + days * DAY)


def selection(**select: object) -> Selection:
    return Selection(Select.model_validate(select), "trading/majors")


def names(found):
    return [one.base for one in found]


@pytest.mark.parametrize(
    ("select", "found"),
    [
        ({"quote": "USDT"}, ["ADA", "BTC", "DOGE", "ETH", "SOL", "XRP"]),
        ({"quote": "USDC"}, []),
        ({"base": ["ETH", "BTC", "PEPE"]}, ["BTC", "ETH"]),
        ({"match": "^(BTC|ETH)"}, ["BTC", "ETH"]),
        ({"match": "USDT-PERP$", "base": ["SOL"]}, ["SOL"]),
        ({"match": "DOGE.*USDC"}, []),
    ],
)
def test_an_instrument_is_wanted_where_all_that_is_given_holds(select, found):
    assert names(selection(**select).candidates(LISTED)) == found


def test_what_is_delisted_is_no_candidate():
    gone = replace(LISTED[0], delisted=START)
    assert "BTC" not in names(selection(quote="USDT").candidates((gone, *LISTED[1:])))


def test_a_plain_name_is_what_the_pattern_sees():
    assert [plain(one) for one in LISTED[:2]] == ["BTCUSDT-PERP", "ETHUSDT-PERP"]


SIZES = st.dictionaries(st.sampled_from([one.id for one in LISTED]), st.floats(0, 1e12, allow_nan=False))


@given(SIZES, st.integers(1, 10))
def test_the_top_are_the_greatest_and_the_order_of_the_list_changes_nothing(sizes, top):
    mine = selection(top=top)
    chosen = mine.chosen(mine.candidates(LISTED), sizes)
    assert chosen == mine.chosen(mine.candidates(reversed(LISTED)), sizes)
    assert len(chosen) == min(top, len(LISTED))
    left = [one.id for one in LISTED if one.id not in chosen]
    assert all(sizes.get(one, -1) >= sizes.get(other, -1) for one in chosen for other in left)


def test_what_has_no_size_comes_last():
    assert selection(top=2).chosen(LISTED, {LISTED[3].id: 0.0, LISTED[4].id: 7.0}) == (LISTED[4].id, LISTED[3].id)


@given(st.lists(st.tuples(st.integers(0, 20), st.sets(st.sampled_from(COINS))), min_size=1, max_size=12))
def test_a_selected_instrument_stays_wanted_for_seven_days_and_no_longer(steps):
    """Against the rule itself: wanted are those that were chosen less than seven days ago, without a break."""
    mine, wanted, now = selection(quote="USDT"), {}, START
    last: dict[str, int] = {}
    for days, chosen in steps:
        now += days * DAY
        wanted = mine.wanted(wanted, chosen, now)
        last |= dict.fromkeys(chosen, now)
        last = {one: at for one, at in last.items() if now - at < STAYS}
        assert {one: seen.last for one, seen in wanted.items()} == last


@given(st.lists(st.tuples(st.sampled_from(COINS), TIME, TIME), max_size=20), st.randoms())
def test_what_wants_remember_joins_in_any_order_to_the_latest(seen, random):
    mine = selection(top=3)
    wants = [Want(mine.spec, "s", coin, "5m", 0, 0, None, mine.asked(Seen(first, last))) for coin, first, last in seen]
    shuffled = list(wants)
    random.shuffle(shuffled)
    assert mine.remembered(join_wants(wants)) == mine.remembered(join_wants(shuffled)) == mine.remembered(wants)
    assert {one: found.last for one, found in mine.remembered(wants).items()} == {
        coin: max(last for other, _, last in seen if other == coin) for coin, _, _ in seen
    }


def test_another_selection_and_another_spec_remember_nothing_of_this_one():
    mine = selection(top=3)
    want = Want(mine.spec, "s", "BTC", "5m", 0, 0, None, mine.asked(Seen(0, START)))
    assert mine.remembered([want]) == {"BTC": Seen(0, START)}
    assert selection(top=4).remembered([want]) == {}
    assert mine.remembered([replace(want, spec="trading/other")]) == {}
    assert mine.remembered([replace(want, asked="BTCUSDT-PERP")]) == {}
    assert mine.remembered([replace(want, asked=mine.prefix + "nonsense")]) == {}


def test_a_ranking_is_made_once_an_hour_and_a_free_choice_at_every_start():
    known = {"BTC": Seen(0, START)}
    assert [selection(top=3).due(known, START + age) for age in (0, AGAIN - 1, AGAIN)] == [False, False, True]
    assert selection(top=3).due({}, START)
    assert selection(top=3).due(known, START - HOUR), "a time of the future says nothing"
    assert selection(quote="USDT").due(known, START)


def test_what_comes_later_is_wanted_from_then_on():
    mine = selection(quote="USDT")
    first = mine.wanted({}, ["BTC"], START)
    later = mine.wanted(first, ["BTC", "ETH"], START + DAY)
    assert later == {"BTC": Seen(0, START + DAY), "ETH": Seen(START + DAY, START + DAY)}
    assert mine.wanted(later, ["ETH"], START + 2 * DAY)["ETH"] == Seen(START + DAY, START + 2 * DAY)


def test_a_delisted_instrument_is_told_and_not_collected():
    mine = selection(quote="USDT")
    gone = replace(LISTED[0], delisted=START)
    first, second = mine.resolved({gone.id: Seen(0, START), LISTED[1].id: Seen(0, START)}, [gone, LISTED[1]], BINANCE)
    assert (first.instrument, first.ended) == (None, (gone,))
    assert "has delisted BTCUSDT-PERP.BINANCE" in first.message
    assert (second.instrument, second.message) == (LISTED[1], "")
