"""What a symbol is on each venue, and who wants it since when."""

from dataclasses import replace
from decimal import Decimal

import pytest

from perptape.claims import Want, horizon, join_wants
from perptape.collect.grids import funding_grids, open_interest_grids, stream_grid
from perptape.collect.targets import CONNECTING, Session, former, resolved
from perptape.coverage import Coverage
from perptape.errors import UsageError
from perptape.exchanges.registry import VENUES, traits
from perptape.instruments import Resolution
from perptape.interval import DAY, HOUR, MINUTE, SECOND
from support.fake_exchange import perpetual

TRAITS = {venue: traits(venue) for venue in VENUES}
NOW = 20_000 * DAY + 17 * MINUTE


def usdc(venue, base):
    return replace(perpetual(TRAITS[venue], base), symbol=f"{base}/USDC:USDC", id=f"{base}-USD-PERP.HYPERLIQUID", venue_id=base)


KNOWN = {
    "binance": [
        perpetual(TRAITS["binance"], "BTC"),
        perpetual(TRAITS["binance"], "PEPE"),
        perpetual(TRAITS["binance"], "LUNA", delisted=NOW - DAY),
    ],
    "hyperliquid": [usdc("hyperliquid", "BTC"), usdc("hyperliquid", "LUNA")],
}


def ids(symbol, **more):
    found = resolved([symbol], KNOWN, TRAITS, **{"exact": False, "all_reached": True} | more)
    return {venue: (one[0].instrument.id if one[0].instrument else None, one[0].message) for venue, one in found.items()}


def test_a_neutral_name_is_the_venues_contract_or_its_default_perpetual():
    found = ids("BTCUSDT-PERP")
    assert found["binance"] == ("BTCUSDT-PERP.BINANCE", "")
    assert found["hyperliquid"][0] == "BTC-USD-PERP.HYPERLIQUID"
    assert "instead" in found["hyperliquid"][1]


@pytest.mark.parametrize("word", ["BTC/USDT:USDT", "BTCUSDT", "BTCUSDT-PERP.BINANCE", "btcusdt-perp"])
def test_every_accepted_form_means_the_same(word):
    assert ids(word)["binance"][0] == "BTCUSDT-PERP.BINANCE"


def test_exact_forbids_a_substitute():
    assert ids("BTCUSDT-PERP", exact=True)["hyperliquid"][0] is None


def test_a_delisted_contract_is_skipped_and_never_substituted():
    one, message = ids("LUNAUSDT-PERP")["binance"]
    assert one is None
    assert "delisted" in message


def test_a_default_perpetual_that_was_delisted_is_skipped_and_takes_no_other_symbol_with_it():
    """A pod of one venue asks nobody else: a word that no venue knows would end its whole run with exit code 2."""
    gone = replace(usdc("hyperliquid", "LUNA"), delisted=NOW - DAY)
    found = resolved(
        ["LUNAUSDT-PERP", "BTCUSDT-PERP"], {"hyperliquid": [usdc("hyperliquid", "BTC"), gone]}, TRAITS, exact=False, all_reached=True
    )
    luna, btc = found["hyperliquid"]
    assert (luna.instrument, luna.substituted, luna.ended) == (None, False, (gone,))  # what was missed of it is fetched all the same
    assert luna.message.startswith("hyperliquid has no LUNAUSDT-PERP, and has delisted LUNA-USD-PERP.HYPERLIQUID on 2024")
    assert btc.instrument is not None


def test_a_symbol_that_no_venue_knows_is_an_error_that_names_the_nearest():
    with pytest.raises(UsageError, match=r"binance has no PEPEUSD\b.*nearest: PEPEUSDT-PERP.BINANCE"):
        ids("PEPEUSD")


def test_a_symbol_that_one_venue_knows_is_skipped_on_the_others_with_a_message():
    one, message = ids("PEPEUSDT-PERP")["hyperliquid"]
    assert one is None
    assert message.startswith("hyperliquid has no PEPEUSDT-PERP")


def test_an_unknown_symbol_is_no_error_while_a_venue_is_away_that_may_know_it():
    assert ids("NOSUCH", all_reached=False)["binance"][0] is None


BTC = Resolution("BTCUSDT-PERP", "binance", KNOWN["binance"][0])
SETTLED, PREDICTED = funding_grids(TRAITS["binance"], HOUR, 7 * DAY)


def test_a_fetched_grid_is_wanted_from_the_session_less_its_backfill():
    want = Session("f:n", "s", NOW).want(SETTLED, BTC, NOW + HOUR, Coverage())
    assert (want.start, want.asserted_at, want.ended) == (NOW - 7 * DAY, NOW + HOUR, None)


def test_a_sample_of_a_once_run_is_wanted_for_its_own_slot_only():
    want = Session("f:n", "once", NOW, once=True).want(PREDICTED, BTC, NOW, Coverage())
    assert (want.start, want.ended) == (NOW - 17 * MINUTE, NOW + 43 * MINUTE)


def test_samples_go_on_where_the_unended_session_before_stopped():
    before = Want("f:n", "old", BTC.instrument.id, PREDICTED.name, NOW - DAY, NOW - 10 * HOUR)
    want = Session("f:n", "new", NOW).want(PREDICTED, BTC, NOW, Coverage.of([], [before]))
    assert want.start == NOW - 10 * HOUR + horizon(HOUR)
    other = Session("g:n", "new", NOW).want(PREDICTED, BTC, NOW, Coverage.of([], [before]))
    assert other.start == NOW


@pytest.mark.parametrize(("took", "kept"), [(SECOND, False), (CONNECTING, False), (CONNECTING + 1, True)])
def test_the_slot_that_ended_while_a_session_connected_as_fast_as_may_be_expected_is_not_wanted(took, kept):
    since = NOW + 43 * MINUTE - 500  # half a second before the hour
    session = Session("f:n", "s", since)
    first = session.want(PREDICTED, BTC, since + took, Coverage())
    assert first.start == (since if kept else NOW + 43 * MINUTE)
    later = session.want(PREDICTED, BTC, since + DAY, Coverage.of([], [first]))
    assert later.start == first.start
    assert session.want(PREDICTED, BTC, since + 400, Coverage()).start == since, "that slot is not over yet"


STREAM = stream_grid(TRAITS["binance"])


def streamed(first, *wants, since=NOW):
    return Session("f:n", "s", since).want_stream(STREAM, BTC, NOW + HOUR, Coverage.of([], wants), first)


def test_a_stream_is_wanted_from_its_first_proof_when_that_comes_soon_and_from_its_start_otherwise():
    assert streamed(NOW + 2 * SECOND).start == NOW + 2 * SECOND
    assert streamed(NOW + CONNECTING).start == NOW + CONNECTING
    assert streamed(NOW + CONNECTING + 1).start == NOW
    assert streamed(None).start == NOW
    assert streamed(NOW - 5).start == NOW


def test_another_process_of_the_session_wants_from_where_the_first_one_did():
    first = Want("f:n", "s", BTC.instrument.id, STREAM.name, NOW + 2 * SECOND, NOW + MINUTE)
    assert streamed(NOW + 10 * MINUTE, first).start == NOW + 2 * SECOND


def begun(now, *wants):
    return Session("f:n", "s", NOW).want_before(STREAM, BTC, now, Coverage.of([], wants))


def test_before_a_stream_is_dialled_it_is_wanted_from_where_a_connection_is_late():
    """What its first proof says, or that there was none in time, is no later, and so joins to what it would be without."""
    assert [begun(NOW + late).start - NOW for late in (0, CONNECTING, CONNECTING + 1)] == [CONNECTING, CONNECTING, 0]
    for first in (NOW + 1, NOW + CONNECTING, NOW + CONNECTING + 1, None):
        (joined,) = join_wants([begun(NOW), streamed(first)])
        assert joined.start == streamed(first).start
    old = Want("f:n", "old", BTC.instrument.id, STREAM.name, NOW - DAY, NOW - HOUR)
    assert begun(NOW, old).start == streamed(NOW, old).start, "it goes on where another one stopped"


def test_another_process_of_the_session_learns_nothing_from_one_that_only_began():
    assert streamed(NOW + 10 * MINUTE, begun(NOW)).start == NOW
    assert streamed(NOW + SECOND, begun(NOW)).start == NOW + SECOND


def test_a_stream_that_goes_on_after_a_crash_wants_all_time_since():
    old = Want("f:n", "old", BTC.instrument.id, STREAM.name, NOW - DAY, NOW - HOUR)
    assert streamed(NOW + SECOND, old).start == old.asserted_at + horizon(STREAM.every) < NOW


def test_what_a_spec_no_longer_lists_is_ended():
    before = Want("f:n", "old", "GONE", SETTLED.name, NOW - DAY, NOW - HOUR)
    kept = Want("f:n", "old", BTC.instrument.id, SETTLED.name, NOW - DAY, NOW - HOUR)
    ended = Session("f:n", "new", NOW).given_up(Coverage.of([], [before, kept]), [BTC.instrument.id], [SETTLED], NOW)
    assert [(w.instrument, w.ended) for w in ended] == [("GONE", NOW)]


@pytest.mark.parametrize(
    ("venue", "every", "names"),
    [
        ("binance", 5 * MINUTE, ["5m"]),
        ("binance", 10 * MINUTE, ["5m"]),
        ("binance", HOUR, ["1h"]),
        ("binance", MINUTE, ["sample/1m", "5m"]),
        ("bybit", 10 * MINUTE, ["5m"]),
        ("hyperliquid", 5 * MINUTE, ["sample/5m"]),
        ("deribit", HOUR, ["sample/1h"]),
    ],
)
def test_open_interest_comes_from_the_largest_period_that_divides_every(venue, every, names):
    assert [grid.name for grid in open_interest_grids(TRAITS[venue], every, DAY)] == names


def test_ended_lives_are_targets_of_their_own_and_no_instrument_is_twice_in_one_round():
    old, older = (replace(KNOWN["binance"][0], contract_size=Decimal(size), delisted=NOW - age * DAY) for size, age in ((2, 1), (3, 2)))
    btc = Resolution("BTCUSDT-PERP", "binance", KNOWN["binance"][0], ended=(older, old))
    luna = Resolution("LUNAUSDT-PERP", "binance", None, "delisted", ended=(KNOWN["binance"][2],))
    rounds = list(former([btc, replace(btc, asked="BTCUSDT"), luna, Resolution("NOSUCH", "binance", None)]))
    assert [[target.instrument for target in one] for one in rounds] == [[old, KNOWN["binance"][2]], [older]]
    assert all(target.ended == () for one in rounds for target in one)


def test_a_ticker_listed_again_resolves_to_its_present_life_and_keeps_the_others():
    new, old = KNOWN["binance"][0], replace(KNOWN["binance"][0], contract_size=Decimal(2), delisted=NOW - DAY)
    (found,) = resolved(["BTCUSDT-PERP"], {"binance": [new, old]}, TRAITS, exact=False, all_reached=True)["binance"]
    assert (found.instrument, found.ended) == (new, (old,))


def test_a_dead_sessions_want_that_is_given_up_ends_with_the_session_after_it():
    died = Want("f:n", "died", "ETHUSDT-PERP.BINANCE", "stream", NOW - DAY, NOW)
    after = Want("f:n", "after", "ETHUSDT-PERP.BINANCE", "stream", NOW + MINUTE, NOW + MINUTE, NOW + 2 * MINUTE)
    (ended,) = Session("f:n", "new", NOW).given_up(Coverage.of([], [died, after]), [BTC.instrument.id], [STREAM], NOW + HOUR)
    assert (ended.session, ended.ended) == ("died", NOW + 2 * MINUTE)
