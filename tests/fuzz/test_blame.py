"""A reason that names a field which is well is found; one that names what was broken, or what it makes of the whole, is taken."""

from __future__ import annotations

import pytest

from fuzz.blame import BEHIND, rightly
from fuzz.desk import Outcome
from fuzz.judge import faults, field
from fuzz.mutate import Mutation, names
from fuzz.payloads import answers, frames
from perptape.exchanges.registry import VENUES

ORDER = {"s": "BTCUSDT", "S": "BUY", "p": "4793.91", "ap": "4706.04", "z": "0.014", "T": 1}
SUMMARY = {"instrument_name": "BTC-PERPETUAL", "open_interest": 9, "mark_price": 2}
NAN = float("nan")

RIGHT = [
    ("binance", Mutation("junk", ("o", "p"), "1", "x"), "price: 'x' is not a number: RawLiquidation()"),
    ("binance", Mutation("junk", ("o",), ORDER, {}), 'o.s: is missing: {"o": {}}'),
    ("binance", Mutation("junk", ("o",), ORDER, {"s": "BTCUSDT"}), "price: the venue gave none: RawLiquidation()"),
    ("binance", Mutation("added", ("symbols", 1), None, {"a": 1}), 'contractType: is missing: {"a": 1}'),
    ("binance", Mutation("added", ("symbols", 1), None, {}), "contractType: is missing: {}"),
    ("binance", Mutation("added", ("symbols", 1), None, 7), "the whole: TypeError 'int' object is not subscriptable: 7"),
    ("binance", Mutation("junk", ("symbols",), [ORDER], [None]), "the whole: TypeError 'NoneType' object is not subscriptable: null"),
    ("okx", Mutation("gone", ("data", 3, 1), "9"), '3: is missing: ["1", "2", "3"]'),
    ("okx", Mutation("junk", ("data", 3, 1), "9", "x"), "contracts: 'x' is not a number"),
    ("okx", Mutation("junk", ("data",), [["1", "2", "3", "4"]], []), "BTC-USDT-SWAP.OKX: no row from 1970 to 1971; not believed"),
    ("okx", Mutation("added", ("data", 0), None, {"a": 1}), 'data.0.ts: is missing: {"data": [{"a": 1}]}'),
    (
        "binance",
        Mutation("added", ("symbols", 1, "filters", 0), None, {"a": 1}),
        "binance lists a contract that cannot be understood: filters.0.filterType: is missing: {}",
    ),
    ("deribit", Mutation("gone", ("result", 0), SUMMARY), "BTC-PERPETUAL: not in the answer"),
    ("hyperliquid", Mutation("junk", ("universe",), [{"name": "BTC"}], 7), "no list at universe of the answer: 7"),
    ("hyperliquid", Mutation("twice", (0, "universe", 0), {}, {}), "universe: 4 coins but 3 contexts: it is empty"),
]
WRONG = [
    ("binance", Mutation("junk", ("o", "z"), "1", "x"), "price: 'x' is not a number: RawLiquidation()"),
    ("binance", Mutation("junk", ("o", "z"), "1", "x"), "o.p: TypeError x: {}"),
    ("binance", Mutation("junk", ("o", "z"), "1", "x"), "o: TypeError x: {}"),
    ("binance", Mutation("junk", ("o", "z"), "1", "x"), "the whole: TypeError x: {}"),
    ("binance", Mutation("junk", ("o", "z"), "1", "x"), "not JSON (of the whole text)"),
    ("binance", Mutation("junk", ("o", "z"), "1", "x"), "the contract is named in no text: {}"),
    ("binance", Mutation("junk", ("o", "z"), "1", "x"), 'binance: HTTP 200: {"code": 7}'),
    ("binance", Mutation("junk", ("o", "z"), "1", {}), "o.p: is missing: {}"),
    ("binance", Mutation("added", ("symbols", 1), None, {"a": 1}), 'contractType: is missing: {"b": 1}'),
    ("binance", Mutation("added", ("symbols", 1), None, {"a": 1}), "contractType: AttributeError of another entry: {}"),
    ("binance", Mutation("added", ("symbols", 1), None, {"a": 1}), "the whole: TypeError of another entry: 7"),
    ("binance", Mutation("twice", ("symbols", 1), ORDER, ORDER), "price: 'x' is not a number"),
    ("binance", Mutation("gone", (2,), ORDER), "BTCUSDT-PERP.BINANCE: no row from 1970 to 1971; not believed"),
    ("okx", Mutation("gone", ("data", 3, 1), "9"), '0: is missing: ["1", "2", "3"]'),
    ("okx", Mutation("junk", ("data", 3, 1), "9", "x"), "usd: 'x' is not a number"),
    ("okx", Mutation("added", ("data", 0), None, {"a": 1}), 'data.1.ts: is missing: {"data": [{"a": 1}, {}]}'),
    ("binance", Mutation("added", ("symbols", 1, "filters", 0), None, {"a": 1}), 'filters.1.filterType: is missing: {"symbol": "X"}'),
    ("binance", Mutation("added", ("symbols", 1, "filters", 0), None, {"a": 1}), '0.filterType: is missing: {"symbol": "X"}'),
    ("deribit", Mutation("junk", ("result", 0, "mark_price"), 2, "x"), "BTC-PERPETUAL: not in the answer"),
    ("hyperliquid", Mutation("junk", (0, "universe", 0, "szDecimals"), 2, "x"), "universe: 4 coins but 3 contexts: it is empty"),
]


@pytest.mark.parametrize(("venue", "done", "reason"), RIGHT)
def test_what_was_broken_may_be_blamed(venue: str, done: Mutation, reason: str) -> None:
    assert rightly(field(reason), reason, done, {}, venue)


@pytest.mark.parametrize(("venue", "done", "reason"), WRONG)
def test_what_is_well_may_not(venue: str, done: Mutation, reason: str) -> None:
    assert field(reason)
    assert not rightly(field(reason), reason, done, {}, venue)


def test_a_frame_is_blamed_whole_where_no_json_can_hold_what_it_holds() -> None:
    done = Mutation("junk", ("o", "z"), "1", NAN)
    assert rightly("frame", "not JSON ()", done, {"o": {"z": NAN}}, "binance")


@pytest.mark.parametrize(
    ("done", "lost"),
    [
        (Mutation("gone", ("data", 0), ORDER), 0),
        (Mutation("junk", ("data",), [ORDER], []), 0),
        (Mutation("junk", ("data", 0), ORDER, {}), 1),
        (Mutation("added", ("data", 0), None, 7), 1),
    ],
)
def test_a_row_is_lost_rightly_where_its_entry_is_gone_and_wrongly_where_one_is_odd(done: Mutation, lost: int) -> None:
    assert len(list(faults("bybit", Outcome([("a row",)]), {}, 2, done))) == lost


@pytest.mark.parametrize("venue", VENUES)
def test_each_name_has_keys_behind_it_that_the_venue_sends(venue: str) -> None:
    sent = names([answers(venue), [frame.payload for frame in frames(venue)]])
    keys = {key for behind in BEHIND[venue].values() for key in behind if "*" not in key and "." not in key and not key.isdigit()}
    assert keys <= sent
